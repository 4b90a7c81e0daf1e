# `snakemake pilot` says what it found before the rest of a study is paid for; a study that lists it shows it on its page.
counts("measure_pilot", lambda w: MEASURING.measure_pilot())


rule measure_pilot:
    input:
        images=[f"{OUT}/real/{folder}/0.h5" for folder in CLASS_OF],
    output:
        table=tabled("pilot/table.csv"),
        figure=drawn("pilot"),
        section=f"{OUT}/sections/pilot.json",
        said=f"{OUT}/pilot/said.txt",
    log:
        f"{OUT}/logs/measure_pilot.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("measure_pilot", GPU),
        runtime=minutes_for("measure_pilot"),
    params:
        options=lambda w: sampling_options(
            Wildcards(fromdict={"source": sources.of_kind(config, "prompts"), "class_name": None}),
            samples_per_image=1,
            words=config["prompts"]["words"],
            **config["pilot"],
        ),
        images=lambda w, input: listed(input.images),
        code=provenance.code("scripts.pilot_measure"),
        base_model=base_model,
        templates=templates,
        prompts=PROMPTS,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/measure_pilot.tsv",
    message:
        "Look at a few images of each class: real, through the VAE alone, from prompts"
    shell:
        "python -m scripts.pilot_measure --images {params.images:q} --base-model {params.base_model:q}/model_index.json"
        " --templates {params.templates:q} --table {output.table:q} --figure {output.figure:q} --section {output.section:q}"
        " --said {output.said:q} --options {params.options:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule pilot:
    input:
        rules.measure_pilot.output.said,
    log:
        f"{OUT}/pilot.log",
    localrule: True
    conda:
        "../../../../envs/realgap.yaml"
    message:
        "What a few images of each class say:"
    shell:
        "tee {log:q} < {input:q}"
