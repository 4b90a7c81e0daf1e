# Of an amortised inversion (inversion.amortise): the encoder, fitted to the embeddings of the first images, and the others.


counts("fit_encoder", lambda w: PLAN.fit_encoder(sum(FIRST.values())))
counts("invert_rest", lambda w: PLAN.invert_rest(images_of(w), inverted_first(w)))


rule fit_encoder:
    input:
        moments=first_shards(f"{OUT}/moments/{{class_name}}/{{shard}}.h5"),
        embeddings=first_shards(f"{OUT}/{INVERTED}/{{class_name}}/{{shard}}.h5"),
    output:
        f"{OUT}/encoder.h5",
    log:
        f"{OUT}/logs/fit_encoder.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("fit_encoder"),
        runtime=minutes_for("fit_encoder"),
    params:
        moments=lambda w, input: listed(input.moments),
        embeddings=lambda w, input: listed(input.embeddings),
        code=provenance.code("scripts.inversion_fit_encoder"),
        benchmark=f"{OUT}/benchmarks/fit_encoder.tsv",
    message:
        "Fit the encoder that predicts where embeddings start"
    shell:
        "python -m scripts.inversion_fit_encoder --moments {params.moments:q} --embeddings {params.embeddings:q} --out {output:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule invert_rest:
    input:
        moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
        encoder=rules.fit_encoder.output,
        first=inverted_before,
    output:
        f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/invert_rest/{{class_name}}-{{shard}}.log",
    conda:
        "../../envs/realgap.yaml"
    threads: DRAWING
    resources:
        gpu=GPU,
        mem_mb=memory_for("invert_rest", GPU),
        runtime=minutes_for("invert_rest"),
        disk_mb=disk_for("invert_rest"),
    params:
        # where they start follows from the encoder, and all of them get the few steps
        options=lambda w: options(
            config["compute"],
            without(INVERSION, "num_tokens", "start", "start_scale"),
            steps_per_image=config["inversion"]["amortised_steps"],
            early_stopping_patience=None,
            first=inverted_first(w),
            seed=config["seed"],
        ),
        computing=computing,
        code=provenance.code("scripts.inversion_invert_rest"),
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/invert_rest/{{class_name}}-{{shard}}.tsv",
    message:
        "Invert the rest of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "export OMP_NUM_THREADS={params.computing} MKL_NUM_THREADS={params.computing}; python -m scripts.inversion_invert_rest --moments {input.moments:q}"
        " --encoder {input.encoder:q} --first {input.first:q} --base-model {params.base_model:q}/model_index.json"
        " --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} --gpus {resources.gpu} > {log:q} 2>&1"
