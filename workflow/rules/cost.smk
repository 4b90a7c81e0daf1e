# `snakemake plan`, for whatever study and options are given with it.


rule plan:
    log:
        f"{OUT}/plan.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=lambda w: json.dumps({"config": config}, sort_keys=True),
        code=provenance.code("scripts.cost_plan"),
        benchmarks=f"{OUT}/benchmarks",
    message:
        "What the study {config[study]} will cost"
    shell:
        "python -m scripts.cost_plan --options {params.options:q} --benchmarks {params.benchmarks:q} 2> {log:q}"
