# Of an amortised inversion (inversion.encoder_steps): the encoder, taught on all real images, and what it predicts. These
# rules make what invert_shard makes of other studies.


counts("teach_encoder", lambda w: PLAN.teach_encoder())
counts("predict_shard", lambda w: PLAN.predict_shard(images_of(w)))


rule teach_encoder:
    input:
        moments=class_shards(f"{OUT}/moments/{{class_name}}/{{shard}}.h5", CLASSES),
    output:
        f"{OUT}/encoder.h5",
    log:
        f"{OUT}/logs/teach_encoder.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("teach_encoder", GPU),
        runtime=minutes_for("teach_encoder"),
        disk_mb=disk_for("teach_encoder"),
    params:
        options=options(
            config["compute"],
            classes=LABELS,
            words={name: config["prompts"]["words"].get(name, name) for name in CLASSES},
            num_tokens=config["inversion"]["num_tokens"],
            rounds=config["inversion"]["encoder_steps"],
            batch_size=config["inversion"]["batch_size"],
            seed=config["seed"],
        ),
        moments=lambda w, input: listed(input.moments),
        code=provenance.code("scripts.inversion_teach"),
        base_model=base_model,
        templates=templates,
        prompts=PROMPTS,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/teach_encoder.tsv",
    message:
        "Teach the encoder that predicts embeddings"
    shell:
        "python -m scripts.inversion_teach --moments {params.moments:q} --base-model {params.base_model:q}/model_index.json"
        " --templates {params.templates:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule predict_shard:
    input:
        moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
        encoder=rules.teach_encoder.output,
    output:
        f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/predict_shard/{{class_name}}-{{shard}}.log",
    conda:
        "../../envs/realgap.yaml"
    threads: DRAWING
    resources:
        gpu=GPU,
        mem_mb=memory_for("predict_shard", GPU),
        runtime=minutes_for("predict_shard"),
        disk_mb=disk_for("predict_shard"),
    params:
        # where they start follows from the encoder, and all of them get the few steps
        options=options(
            config["compute"],
            without(INVERSION, "num_tokens", "start", "start_scale"),
            steps_per_image=config["inversion"]["refining_steps"],
            early_stopping_patience=None,
            seed=config["seed"],
        ),
        computing=computing,
        code=provenance.code("scripts.inversion_predict"),
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/predict_shard/{{class_name}}-{{shard}}.tsv",
    message:
        "Predict the embeddings of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "export OMP_NUM_THREADS={params.computing} MKL_NUM_THREADS={params.computing}; python -m scripts.inversion_predict --moments {input.moments:q}"
        " --encoder {input.encoder:q} --base-model {params.base_model:q}/model_index.json"
        " --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} --gpus {resources.gpu} > {log:q} 2>&1"
