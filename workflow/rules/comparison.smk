def comparison_options(wildcards):
    """The studies and what they hold, by digest: as inputs, rules of this study could run one of them again."""
    files = [f"results/{study}/{name}" for study in config["studies"] for name in ("table.csv", "report.html")]
    digests = [sha256(file) if Path(file).is_file() else "" for file in files]
    return options(studies=config["studies"], digests=digests)


COMPARED = f"results/comparisons/{'+'.join(config['studies']) or 'none'}"


rule compare:
    input:
        template="workflow/report/comparison.html.j2",
        parts=REPORT_PARTS,
    output:
        page=f"{COMPARED}/report.html",
        table=f"{COMPARED}/table.csv",
        figure=multiext(f"{COMPARED}/figures/differences", ".png", ".svg"),
    log:
        f"{COMPARED}/logs/compare.log",
    benchmark:
        f"{COMPARED}/benchmarks/compare.tsv"
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=comparison_options,
        results="results",
        code=provenance.code("scripts.compare"),
    message:
        "Compare the studies {config[studies]}"
    shell:
        "python -m scripts.compare --results {params.results:q} --template {input.template:q}"
        " --options {params.options:q} --page {output.page:q} --table {output.table:q}"
        " --figure {output.figure:q} > {log:q} 2>&1"
