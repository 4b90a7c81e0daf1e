SHOWN = ["real"] + [
    source
    for source in ["vae_only", *GENERATORS]
    if any(source in configuration.parts(name) for name in config["training_sets"])
]


def shown_shards(wildcards):
    """The first shard of each class, of each source that some training set uses."""
    folders = [f"{OUT}/real" if source == "real" else f"{OUT}/samples/{source}" for source in SHOWN]
    return [f"{folder}/{name}/0.h5" for folder in folders for name in DATASET["classes"]]


rule tabulate:
    message:
        "Tabulate accuracies with intervals"
    input:
        expand(
            f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5",
            training_set=config["training_sets"],
            seed=config["seeds"],
        ),
    output:
        accuracies=report(f"{OUT}/accuracies.csv", caption="../report/accuracies.rst", category="Table"),
        table=report(f"{OUT}/table.csv", caption="../report/table.rst", category="Table"),
    params:
        code=provenance.code("scripts.tabulate"),
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
    shell:
        "python -m scripts.tabulate --predictions {input:q}"
        " --accuracies {output.accuracies:q} --table {output.table:q} > {log:q} 2>&1"


rule plot:
    message:
        "Plot the table and a strip of images"
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
    params:
        options=options(classes=DATASET["classes"], columns=SHOWN),
        code=provenance.code("scripts.plot"),
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
    shell:
        "python -m scripts.plot --table {input.table:q} --accuracies {input.accuracies:q} --shards {input.shards:q}"
        " --options {params.options:q} --accuracy {output.accuracy:q} --samples {output.samples:q} > {log:q} 2>&1"


rule report:
    message:
        "Write the report"
    input:
        table=rules.tabulate.output.table,
        accuracies=rules.tabulate.output.accuracies,
        accuracy=f"{OUT}/figures/accuracy.svg",
        samples=f"{OUT}/figures/samples.svg",
        template="workflow/report/report.html.j2",
    output:
        report(f"{OUT}/report.html", caption="../report/report.rst", category="Report"),
    params:
        options=lambda w: json.dumps({"config": config}, sort_keys=True),
        code=provenance.code("scripts.report"),
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
    shell:
        "python -m scripts.report --table {input.table:q} --accuracies {input.accuracies:q}"
        " --accuracy {input.accuracy:q} --samples {input.samples:q} --template {input.template:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"
