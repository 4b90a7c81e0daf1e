# `snakemake site`, once on each cluster: its names for accounts, partitions and GPUs, into a file that git does not track.


rule site:
    log:
        "logs/site.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        out=str(site.FILE),
        code=provenance.code("scripts.cluster_ask"),
    message:
        "Ask SLURM what this site calls its accounts, partitions and GPUs"
    shell:
        "python -m scripts.cluster_ask --out {params.out:q} 2>&1 | tee {log:q}"
