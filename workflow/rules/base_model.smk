rule pretrain_base:
    message:
        "Pre-train the miniature Stable Diffusion on typeset digits (shipped; about a quarter of an hour)"
    output:
        "resources/mini-sd-digits/model_index.json",
    params:
        options=options(config["pretraining"]),
        code=provenance.code("scripts.pretrain"),
        folder="resources/mini-sd-digits",
        benchmark="results/pretraining/benchmarks/pretrain_base.tsv",
    log:
        "results/pretraining/logs/pretrain_base.log",
    conda:
        "../../envs/realgap.yaml"
    threads: workflow.cores or 2
    resources:
        mem_mb=6000,
        runtime=120,
    shell:
        "python -m scripts.pretrain --options {params.options:q} --out {params.folder:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"
