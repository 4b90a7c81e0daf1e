# A few images of each class and source at the base model's resolution: the same as in the shards, not yet made small.


counts("extract_full_size", lambda w: MEASURING.read(full_size_images()))
counts("sample_full_size", lambda w: PLAN.sample_shard(full_size_images(), SOURCES[w.source], full_size_images()))
counts("reconstruct_full_size", lambda w: PLAN.reconstruct_shard(full_size_images()))


use rule extract_shard as extract_full_size with:
    output:
        f"{OUT}/full_size/real/{{class_name}}.h5",
    log:
        f"{OUT}/logs/extract_full_size/{{class_name}}.log",
    resources:
        mem_mb=memory_for("extract_full_size"),
        runtime=minutes_for("extract_full_size"),
        disk_mb=disk_for("extract_full_size"),
    params:
        options=lambda w: extraction_options("train", [CLASS_OF[w.class_name]], 0, **full_size("stop")),
        step=EXTRACT,
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_full_size/{{class_name}}.tsv",
    message:
        "Extract real images of class {wildcards.class_name} at the base model's resolution"


use rule reconstruct_shard as reconstruct_full_size with:
    input:
        moments=f"{OUT}/moments/{{class_name}}/0.h5",
    output:
        f"{OUT}/full_size/{{source}}/{{class_name}}.h5",
    log:
        f"{OUT}/logs/reconstruct_full_size/{{source}}-{{class_name}}.log",
    resources:
        gpu=GPU,
        mem_mb=memory_for("reconstruct_full_size", GPU),
        runtime=minutes_for("reconstruct_full_size"),
        disk_mb=disk_for("reconstruct_full_size"),
    params:
        options=lambda w: options(config["compute"], full_size("images"), source=w.source),
        code=provenance.code("scripts.sampling_reconstruct"),
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/reconstruct_full_size/{{source}}-{{class_name}}.tsv",
    message:
        "Pass class {wildcards.class_name} through the VAE alone, at the base model's resolution"


use rule sample_shard as sample_full_size with:
    input:
        images=f"{OUT}/real/{{class_name}}/0.h5",
        embeddings=embeddings_for,
        moments=latents_for,
    output:
        f"{OUT}/full_size/{{source}}/{{class_name}}.h5",
    log:
        f"{OUT}/logs/sample_full_size/{{source}}-{{class_name}}.log",
    resources:
        gpu=GPU,
        mem_mb=memory_for("sample_full_size", GPU),
        runtime=minutes_for("sample_full_size"),
        disk_mb=disk_for("sample_full_size"),
    params:
        options=lambda w: sampling_options(w, samples_per_image=1, **full_size("images")),
        code=provenance.code("scripts.sampling_sample"),
        base_model=base_model,
        templates=templates,
        prompts=PROMPTS,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/sample_full_size/{{source}}-{{class_name}}.tsv",
    message:
        "Sample {wildcards.source} images of class {wildcards.class_name} at the base model's resolution"
