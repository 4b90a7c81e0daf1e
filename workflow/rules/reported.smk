# The page of the docs that sets the published studies beside the reported accuracies.

# finished studies that are kept with the project, the default one first
PUBLISHED = [
    str(path.parent)
    for path in sorted(
        Path("results/published").glob("*/accuracies.csv"),
        key=lambda path: (path.parent.name != "digits", path.parent.name),
    )
]


# a page of the docs: made again by its name alone, when results/published/ has changed
rule reported_numbers:
    input:
        reported="resources/reported/cifar10.csv",
        accuracies=[f"{folder}/accuracies.csv" for folder in PUBLISHED],
        settings=[f"{folder}/run/config.yaml" for folder in PUBLISHED],
        template="workflow/report/reported-numbers.md",
    log:
        "results/reported/logs/reported_numbers.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        studies=PUBLISHED,
        margin=config["margin"],
        code=provenance.code("scripts.reported_compare"),
        # tracked by git, so no output: Snakemake deletes outputs
        page="workflow/docs/reported-numbers.md",
    message:
        "Write the page of reported and measured accuracies"
    shell:
        "python -m scripts.reported_compare --reported {input.reported:q} --studies {params.studies:q} --margin {params.margin}"
        " --template {input.template:q} --page {params.page:q} > {log:q} 2>&1"
