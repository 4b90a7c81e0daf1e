def embeddings_for(wildcards):
    """Partners and the mean come from the whole class (or data set), never from one shard alone."""
    if wildcards.source != "diffusion_inversion":
        return []
    whole = config["sampling"]["diffusion_inversion"]["unconditional"] == "dataset"
    classes = DATASET["classes"] if whole else [wildcards.class_name]
    return class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", classes)


def sampling_options(wildcards):
    """A source's own settings; prompts know nothing of what embeddings take."""
    neutral = {"unconditional": "prompt", "embedding_noise": 0, "mixing_weight": 0}
    return options(
        config["compute"],
        neutral,
        without(config["sampling"][wildcards.source], "templates"),
        source=wildcards.source,
        class_name=wildcards.class_name,
        variants=config["sampling"]["variants"],
        batch_size=config["sampling"]["batch_size"],
        resolution=config["base_model"]["resolution"],
        image_size=DATASET["image_size"],
        seed=config["seed"],
    )


rule sample_shard:
    message:
        "Sample {wildcards.source} images of class {wildcards.class_name}, shard {wildcards.shard}"
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
        base_model=ancient(f"{BASE_MODEL}/model_index.json"),
        templates=config["sampling"]["stable_diffusion"]["templates"],
        embeddings=embeddings_for,
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    params:
        options=sampling_options,
        code=provenance.code("scripts.sample"),
        base_model=BASE_MODEL,
        weights=BASE_MODEL_FINGERPRINT,
    log:
        f"{OUT}/logs/sample_shard/{{source}}-{{class_name}}-{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/sample_shard/{{source}}-{{class_name}}-{{shard}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    shell:
        "python -m scripts.sample --images {input.images:q} --base-model {params.base_model:q}"
        " --templates {input.templates:q} --embeddings {input.embeddings:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule reconstruct_shard:
    message:
        "Pass class {wildcards.class_name}, shard {wildcards.shard} through the VAE alone (control)"
    input:
        moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
        base_model=ancient(f"{BASE_MODEL}/model_index.json"),
    output:
        f"{OUT}/samples/vae_only/{{class_name}}/{{shard}}.h5",
    params:
        options=options(config["compute"], image_size=DATASET["image_size"]),
        code=provenance.code("scripts.reconstruct"),
        base_model=BASE_MODEL,
        weights=BASE_MODEL_FINGERPRINT,
    log:
        f"{OUT}/logs/reconstruct_shard/{{class_name}}-{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/reconstruct_shard/{{class_name}}-{{shard}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    shell:
        "python -m scripts.reconstruct --moments {input.moments:q} --base-model {params.base_model:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"
