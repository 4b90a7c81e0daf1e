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
    log:
        f"{OUT}/logs/tabulate.log",
    benchmark:
        f"{OUT}/benchmarks/tabulate.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=provenance.code("scripts.tabulate"),
    message:
        "Tabulate accuracies with intervals"
    shell:
        "python -m scripts.tabulate --predictions {input:q}"
        " --accuracies {output.accuracies:q} --table {output.table:q} > {log:q} 2>&1"


rule plot:
    input:
        table=rules.tabulate.output.table,
        accuracies=rules.tabulate.output.accuracies,
        shards=shown_shards,
    output:
        accuracy=report(
            multiext(f"{OUT}/figures/accuracy", ".png", ".svg"),
            caption="../report/accuracy.rst",
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
    log:
        f"{OUT}/logs/plot.log",
    benchmark:
        f"{OUT}/benchmarks/plot.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=options(classes=CLASSES, columns=SHOWN),
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.plot"),
    message:
        "Plot the table and a strip of images"
    shell:
        "python -m scripts.plot --table {input.table:q} --accuracies {input.accuracies:q} --shards {params.shards:q}"
        " --options {params.options:q} --accuracy {output.accuracy:q} --samples {output.samples:q}"
        " --overview {output.overview:q} > {log:q} 2>&1"


rule report:
    input:
        table=rules.tabulate.output.table,
        accuracies=rules.tabulate.output.accuracies,
        accuracy=f"{OUT}/figures/accuracy.svg",
        samples=f"{OUT}/figures/samples.svg",
        sections=section_files(),
        template="workflow/report/report.html.j2",
    output:
        report(f"{OUT}/report.html", caption="../report/report.rst", category="Report"),
    log:
        f"{OUT}/logs/report.log",
    benchmark:
        f"{OUT}/benchmarks/report.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=lambda w: json.dumps({"config": config}, sort_keys=True),
        code=provenance.code("scripts.report"),
    message:
        "Write the report"
    shell:
        "python -m scripts.report --table {input.table:q} --accuracies {input.accuracies:q}"
        " --accuracy {input.accuracy:q} --samples {input.samples:q} --sections {input.sections:q} --template {input.template:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"
