# Without inputs: nothing is made for it. Without outputs: it runs whenever it is asked for.
rule verify:
    log:
        f"{OUT}/verify.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        plan=lambda w: filed(verification_plan()),
        code=provenance.code("scripts.verify"),
    message:
        "Verify every finished artefact of the study"
    shell:
        "python -m scripts.verify --plan {params.plan:q} 2>&1 | tee {log:q}"


# likewise; options and code are for the next run to compare, as ever
rule adopt:
    log:
        f"{OUT}/adopt.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        folder=OUT,
        code=provenance.code("scripts.adopt"),
    message:
        "Take over what is finished and of which Snakemake has no record"
    shell:
        "python -m scripts.adopt --folder {params.folder:q} 2>&1 | tee {log:q}"
