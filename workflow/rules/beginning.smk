# `snakemake new_study --config images=FOLDER name=NAME` writes a study file, for whatever lies there.


rule new_study:
    log:
        ".snakemake/realgap/new_study.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        options=lambda w: options(
            images=config["images"],
            name=config["name"],
            folder="resources/studies",
            default=f"{workflow.basedir}/config.yaml",
            seed=config["seed"],
        ),
        code=provenance.code("scripts.study_begin"),
    message:
        "Write a study of {config[images]}"
    shell:
        "python -m scripts.study_begin --options {params.options:q} 2>&1 | tee {log:q}"
