# The results of these rules can be shared between checkouts (snakemake --cache).


counts("encode_shard", lambda w: PLAN.encode_shard(images_of(w)))
counts("invert_shard", lambda w: PLAN.invert_shard(images_of(w)))
counts("invert_class", lambda w: PLAN.invert_class(PER_CLASS[CLASS_OF[w.class_name]]))


rule encode_shard:
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
    output:
        f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/encode_shard/{{class_name}}-{{shard}}.log",
    cache: SHARED
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("encode_shard", GPU),
        runtime=minutes_for("encode_shard"),
        disk_mb=disk_for("encode_shard"),
    params:
        options=options(config["compute"], resolution=config["base_model"]["resolution"]),
        code=provenance.code("scripts.inversion_encode"),
        benchmark=f"{OUT}/benchmarks/encode_shard/{{class_name}}-{{shard}}.tsv",
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        # a shared cache does not see wildcards, only params
        shard=lambda w: f"{w.class_name}/{w.shard}",
    message:
        "Encode class {wildcards.class_name}, shard {wildcards.shard} with the VAE"
    shell:
        "python -m scripts.inversion_encode --images {input.images:q} --base-model {params.base_model:q}/model_index.json"
        " --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} --gpus {resources.gpu} > {log:q} 2>&1"


if not AMORTISED:  # else an encoder predicts embeddings (amortised.smk)

    rule invert_shard:
        input:
            images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
            moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
        output:
            f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5",
        log:
            f"{OUT}/logs/invert_shard/{{class_name}}-{{shard}}.log",
        cache: SHARED
        conda:
            "../../envs/realgap.yaml"
        threads: DRAWING
        resources:
            gpu=GPU,
            mem_mb=memory_for("invert_shard", GPU),
            runtime=minutes_for("invert_shard"),
            disk_mb=disk_for("invert_shard"),
        params:
            options=lambda w: options(
                config["compute"],
                INVERSION,
                class_name=CLASS_OF[w.class_name] if INVERSION["start"] == "random" else words_of(w),
                seed=config["seed"],
            ),
            computing=computing,
            code=provenance.code("scripts.inversion_invert", {"scripts.inversion_invert.STARTS": INVERSION["start"]}),
            benchmark=f"{OUT}/benchmarks/invert_shard/{{class_name}}-{{shard}}.tsv",
            base_model=base_model,
            templates=templates,
            prompts=PROMPTS,
            weights=BASE_MODEL_FINGERPRINT,
            shard=lambda w: w.shard,
        message:
            "Invert class {wildcards.class_name}, shard {wildcards.shard} into embeddings"
        shell:
            "export OMP_NUM_THREADS={params.computing} MKL_NUM_THREADS={params.computing}; python -m scripts.inversion_invert --images {input.images:q} --moments {input.moments:q}"
            " --base-model {params.base_model:q}/model_index.json --templates {params.templates:q}"
            " --options {params.options:q} --out {output:q}"
            " --benchmark {params.benchmark:q} --gpus {resources.gpu} > {log:q} 2>&1"


rule invert_class:
    input:
        moments=lambda w: class_shards(f"{OUT}/moments/{{class_name}}/{{shard}}.h5", [CLASS_OF[w.class_name]]),
    output:
        f"{OUT}/class_embeddings/{{class_name}}.h5",
    log:
        f"{OUT}/logs/invert_class/{{class_name}}.log",
    conda:
        "../../envs/realgap.yaml"
    threads: DRAWING
    resources:
        gpu=GPU,
        mem_mb=memory_for("invert_class", GPU),
        runtime=minutes_for("invert_class"),
        disk_mb=disk_for("invert_class"),
    params:
        options=lambda w: options(
            config["compute"], config["class_inversion"], class_name=words_of(w), seed=config["seed"]
        ),
        moments=lambda w, input: listed(input.moments),
        computing=computing,
        code=provenance.code("scripts.inversion_invert_class"),
        base_model=base_model,
        templates=templates,
        prompts=PROMPTS,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/invert_class/{{class_name}}.tsv",
    message:
        "Invert all real images of class {wildcards.class_name} into one embedding"
    shell:
        "export OMP_NUM_THREADS={params.computing} MKL_NUM_THREADS={params.computing}; python -m scripts.inversion_invert_class --moments {params.moments:q}"
        " --base-model {params.base_model:q}/model_index.json"
        " --templates {params.templates:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"
