counts("tabulate", lambda w: MEASURING.tables())
counts("plot", lambda w: MEASURING.tables())
counts("account", lambda w: MEASURING.tables())
counts("report", lambda w: MEASURING.tables())


rule tabulate:
    input:
        expand(
            f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5",
            training_set=config["training_sets"],
            seed=config["seeds"],
        ),
    output:
        accuracies=report(f"{OUT}/accuracies.csv", caption="../report/accuracies.rst", category="Table"),
        table=report(f"{OUT}/table.csv", caption="../report/table.rst", category="Table"),
        verdicts=report(f"{OUT}/verdicts.csv", caption="../report/verdicts.rst", category="Table"),
        pairs=report(f"{OUT}/pairs.csv", caption="../report/pairs.rst", category="Table"),
        metrics=report(f"{OUT}/metrics.csv", caption="../report/metrics.rst", category="Table"),
        section=f"{OUT}/sections/metrics.json",
    log:
        f"{OUT}/logs/tabulate.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("tabulate"),
        runtime=minutes_for("tabulate"),
    params:
        options=options(margin=config["margin"]),
        code=provenance.code("scripts.report_tabulate"),
        benchmark=f"{OUT}/benchmarks/tabulate.tsv",
    message:
        "Tabulate accuracies with intervals and verdicts"
    shell:
        "python -m scripts.report_tabulate --predictions {input:q} --options {params.options:q}"
        " --accuracies {output.accuracies:q} --table {output.table:q} --verdicts {output.verdicts:q}"
        " --pairs {output.pairs:q} --metrics {output.metrics:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule plot:
    input:
        verdicts=rules.tabulate.output.verdicts,
        accuracies=rules.tabulate.output.accuracies,
        shards=shown_shards,
    output:
        accuracy=report(
            multiext(f"{OUT}/figures/accuracy", ".png", ".svg"),
            caption="../report/accuracy.rst",
            category="Figures",
        ),
        narrow=report(
            multiext(f"{OUT}/figures/accuracy-narrow", ".png", ".svg"),
            caption="../report/accuracy.rst",
            category="Figures",
        ),
        strip=report(
            multiext(f"{OUT}/figures/strip", ".png", ".svg"),
            caption="../report/strip.rst",
            category="Figures",
        ),
        samples=report(
            multiext(f"{OUT}/figures/samples", ".png", ".svg"),
            caption="../report/samples.rst",
            category="Figures",
        ),
        overview=report(
            multiext(f"{OUT}/figures/overview", ".png", ".svg"),
            caption="../report/overview.rst",
            category="Figures",
        ),
        gallery=report(
            class_files(f"{OUT}/figures/gallery/{{class_name}}{{ext}}", IN_GALLERY, ext=[".png", ".svg"]),
            caption="../report/gallery.rst",
            category="Images of each class",
        ),
    log:
        f"{OUT}/logs/plot.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("plot"),
        runtime=minutes_for("plot"),
    params:
        options=options(classes=CLASSES, columns=SHOWN),
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.report_plot"),
        benchmark=f"{OUT}/benchmarks/plot.tsv",
    message:
        "Plot the table and images of every class"
    shell:
        "python -m scripts.report_plot --verdicts {input.verdicts:q} --accuracies {input.accuracies:q} --shards {params.shards:q}"
        " --options {params.options:q} --accuracy {output.accuracy:q} --narrow {output.narrow:q}"
        " --strip {output.strip:q} --samples {output.samples:q} --overview {output.overview:q}"
        " --gallery {output.gallery:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule account:
    input:
        tables=rules.tabulate.output,
        verdicts=rules.tabulate.output.verdicts,
        metrics=rules.tabulate.output.metrics,
        shards=[f"{OUT}/test.h5", *expand(f"{OUT}/training_sets/{{name}}.h5", name=config["training_sets"])],
        # whose costs are counted as well
        after=lambda w: [*rules.plot.output.strip, *section_files()],
    output:
        report(
            expand(f"{OUT}/cost/{{table}}.csv", table=["stages", "points"]),
            caption="../report/cost.rst",
            category="Cost",
        ),
        report(
            expand(f"{OUT}/run/{{table}}.csv", table=["jobs", "machines", "settings", "checksums"]),
            caption="../report/run.rst",
            category="Run",
        ),
        f"{OUT}/run/config.yaml",
        expand(f"{OUT}/sections/{{section}}.json", section=["cost", "run"]),
        figure=report(
            multiext(f"{OUT}/figures/cost", ".png", ".svg"),
            caption="../report/cost_figure.rst",
            category="Cost",
        ),
    log:
        f"{OUT}/logs/account.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("account"),
        runtime=minutes_for("account"),
    params:
        options=account_options(),
        code=provenance.code("scripts.report_account"),
        benchmark=f"{OUT}/benchmarks/account.tsv",
    message:
        "Account for what the study cost and what was run"
    shell:
        "python -m scripts.report_account --tables {input.tables:q} --verdicts {input.verdicts:q}"
        " --metrics {input.metrics:q} --shards {input.shards:q}"
        " --options {params.options:q} --figure {output.figure:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule report:
    input:
        verdicts=rules.tabulate.output.verdicts,
        pairs=rules.tabulate.output.pairs,
        metrics=rules.tabulate.output.metrics,
        accuracies=rules.tabulate.output.accuracies,
        figures=[f"{OUT}/figures/{name}.svg" for name in ("accuracy", "accuracy-narrow", "strip", "samples")],
        gallery=class_files(f"{OUT}/figures/gallery/{{class_name}}.png", IN_GALLERY),
        sections=lambda w: [rules.tabulate.output.section, *section_files()],
        account=expand(f"{OUT}/sections/{{section}}.json", section=["cost", "run"]),
        template="workflow/report/report.html.j2",
        parts=REPORT_PARTS,
    output:
        report(f"{OUT}/report.html", caption="../report/report.rst", category="Report"),
    log:
        f"{OUT}/logs/report.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("report"),
        runtime=minutes_for("report"),
    params:
        options=lambda w: options(config=without(config, *OF_TARGETS), n_classes=len(CLASSES)),
        code=provenance.code("scripts.report_write"),
        benchmark=f"{OUT}/benchmarks/report.tsv",
    message:
        "Write the report"
    shell:
        "python -m scripts.report_write --verdicts {input.verdicts:q} --pairs {input.pairs:q} --metrics {input.metrics:q} --accuracies {input.accuracies:q}"
        " --figures {input.figures:q} --gallery {input.gallery:q} --sections {input.sections:q} {input.account:q}"
        " --template {input.template:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
