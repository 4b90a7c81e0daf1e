rule sample_shard:
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
        templates=config["sampling"]["stable_diffusion"]["templates"],
        embeddings=embeddings_for,
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/sample_shard/{{source}}-{{class_name}}-{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/sample_shard/{{source}}-{{class_name}}-{{shard}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory_for("sample_shard"),
        runtime=minutes_for("sample_shard"),
        disk_mb=disk_for("sample_shard"),
    params:
        options=lambda w: sampling_options(w),
        embeddings=lambda w, input: listed(input.get("embeddings", [])),
        code=provenance.code("scripts.sample"),
        weights=BASE_MODEL_FINGERPRINT,
    message:
        "Sample {wildcards.source} images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m scripts.sample --images {input.images:q} --base-model {BASE_MODEL:q}/model_index.json"
        " --templates {input.templates:q} --embeddings {params.embeddings:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule reconstruct_shard:
    input:
        moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
    output:
        f"{OUT}/samples/vae_only/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/reconstruct_shard/{{class_name}}-{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/reconstruct_shard/{{class_name}}-{{shard}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory_for("reconstruct_shard"),
        runtime=minutes_for("reconstruct_shard"),
        disk_mb=disk_for("reconstruct_shard"),
    params:
        options=options(config["compute"], image_size=DATASET["image_size"], images=None),
        code=provenance.code("scripts.reconstruct"),
        weights=BASE_MODEL_FINGERPRINT,
    message:
        "Pass class {wildcards.class_name}, shard {wildcards.shard} through the VAE alone (control)"
    shell:
        "python -m scripts.reconstruct --moments {input.moments:q} --base-model {BASE_MODEL:q}/model_index.json"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"
