rule compare:
    input:
        template="workflow/report/comparison.html.j2",
        parts=REPORT_PARTS,
    output:
        page=f"{COMPARED}/report.html",
        table=f"{COMPARED}/table.csv",
        settings=f"{COMPARED}/settings.csv",
        contrasts=f"{COMPARED}/contrasts.csv",
        figure=multiext(f"{COMPARED}/figures/differences", ".png", ".svg"),
    log:
        f"{COMPARED}/logs/compare.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=comparison_options,
        code=provenance.code("scripts.comparison_compare"),
        benchmark=f"{COMPARED}/benchmarks/compare.tsv",
    message:
        "Compare the studies {config[studies]}"
    shell:
        "python -m scripts.comparison_compare --template {input.template:q}"
        " --options {params.options:q} --page {output.page:q} --table {output.table:q}"
        " --settings {output.settings:q} --contrasts {output.contrasts:q} --figure {output.figure:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
