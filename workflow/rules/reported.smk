counts("set_beside", None)

if "reported" in config["analyses"]:
    SECTIONS.append("reported")

# finished studies that are kept with the project, the default one first
PUBLISHED = [
    str(path.parent)
    for path in sorted(
        Path("results/published").glob("*/accuracies.csv"),
        key=lambda path: (path.parent.name != "digits", path.parent.name),
    )
]


rule set_beside:
    input:
        reported="resources/reported/cifar10.csv",
        accuracies=rules.tabulate.output.accuracies,
        others=[f"{folder}/accuracies.csv" for folder in PUBLISHED if Path(folder).name != config["study"]],
    output:
        table=report(f"{OUT}/reported/table.csv", caption="../report/reported.rst", category="Reported numbers"),
        section=f"{OUT}/sections/reported.json",
    log:
        f"{OUT}/logs/set_beside.log",
    benchmark:
        f"{OUT}/benchmarks/set_beside.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        studies=lambda w, input: [str(Path(path).parent) for path in (input.accuracies, *input.others)],
        code=provenance.code("scripts.set_beside"),
    message:
        "Set the study beside the reported accuracies and the published studies"
    shell:
        "python -m scripts.set_beside --reported {input.reported:q} --studies {params.studies:q}"
        " --table {output.table:q} --section {output.section:q} > {log:q} 2>&1"


# a page of the docs: made again by its name alone, when results/published/ has changed
rule reported_numbers:
    input:
        reported="resources/reported/cifar10.csv",
        accuracies=[f"{folder}/accuracies.csv" for folder in PUBLISHED],
        template="workflow/report/reported-numbers.md",
        default="config.yaml",
    output:
        "workflow/docs/reported-numbers.md",
    log:
        "results/reported/logs/reported_numbers.log",
    benchmark:
        "results/reported/benchmarks/reported_numbers.tsv"
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        studies=PUBLISHED,
        code=provenance.code("scripts.set_beside"),
    message:
        "Write the page of reported and measured accuracies"
    shell:
        "python -m scripts.set_beside --reported {input.reported:q} --studies {params.studies:q}"
        " --template {input.template:q} --default {input.default:q} --page {output:q} > {log:q} 2>&1"
