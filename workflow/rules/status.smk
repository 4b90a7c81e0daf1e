# `snakemake status`: how far a study is, wherever its run is going on.


rule status:
    log:
        f"{OUT}/status.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        options=lambda w: json.dumps({"config": config}, sort_keys=True),
        code=provenance.code("scripts.status"),
        folder=OUT,
    message:
        "How far the study {config[study]} is"
    shell:
        "python -m scripts.status --options {params.options:q} --folder {params.folder:q} 2> {log:q}"
