# A rule for each way in which the shards of a source are made; which sources it makes follows from their kinds.


counts("sample_shard", lambda w: PLAN.sample_shard(images_of(w), SOURCES[w.source], made_of(w)))
counts("reconstruct_shard", lambda w: PLAN.reconstruct_shard(images_of(w)))
counts("import_shard", lambda w: MEASURING.read(imported_of(w)))
counts("render_shard", lambda w: MEASURING.render(images_of(w)))
counts("draw_scenes_shard", lambda w: MEASURING.render(made_of(w)))


rule sample_shard:
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
        embeddings=embeddings_for,
        moments=latents_for,
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/sample_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("sample_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("sample_shard", GPU),
        runtime=minutes_for("sample_shard"),
        disk_mb=disk_for("sample_shard"),
    params:
        options=lambda w: sampling_options(w),
        embeddings=lambda w, input: listed(input.get("embeddings", [])),
        code=provenance.code("scripts.sampling_sample"),
        base_model=base_model,
        templates=templates,
        prompts=PROMPTS,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/sample_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Sample {wildcards.source} images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m scripts.sampling_sample --images {input.images:q} --base-model {params.base_model:q}/model_index.json"
        " --templates {params.templates:q} --embeddings {params.embeddings:q} --moments {input.moments:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule reconstruct_shard:
    input:
        moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/reconstruct_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("reconstruct_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("reconstruct_shard", GPU),
        runtime=minutes_for("reconstruct_shard"),
        disk_mb=disk_for("reconstruct_shard"),
    params:
        options=lambda w: options(config["compute"], source=w.source, image_size=DATASET["image_size"], images=None),
        code=provenance.code("scripts.sampling_reconstruct"),
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/reconstruct_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Pass class {wildcards.class_name}, shard {wildcards.shard} through the VAE alone (control)"
    shell:
        "python -m scripts.sampling_reconstruct --moments {input.moments:q} --base-model {params.base_model:q}/model_index.json"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule import_shard:
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/import_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("import_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("import_shard"),
        runtime=minutes_for("import_shard"),
    params:
        options=lambda w: options(
            source=w.source,
            class_name=CLASS_OF[w.class_name],
            shard=int(w.shard),
            shards=shard_count(CLASS_OF[w.class_name]),
            image_size=DATASET["image_size"],
            content=imported(SOURCES[w.source].settings["root"], CLASS_OF[w.class_name])[0],
            **reading_options(),
        ),
        # where it is now; it takes `input`, so that Snakemake does not remember it
        root=lambda w, input: SOURCES[w.source].settings["root"],
        code=provenance.code("scripts.sampling_import"),
        benchmark=f"{OUT}/benchmarks/import_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Read images of class {wildcards.class_name}, shard {wildcards.shard} from the folder of {wildcards.source}"
    shell:
        "python -m scripts.sampling_import --images {input.images:q} --root {params.root:q} --options {params.options:q}"
        " --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule render_shard:
    input:
        f"{OUT}/real/{{class_name}}/{{shard}}.h5",
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/render_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("render_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("render_shard"),
        runtime=minutes_for("render_shard"),
    params:
        options=lambda w: options(
            source=w.source, defect=SOURCES[w.source].settings["defect"], image_size=DATASET["image_size"]
        ),
        code=provenance.code("scripts.sampling_render"),
        benchmark=f"{OUT}/benchmarks/render_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Render class {wildcards.class_name}, shard {wildcards.shard} with a defect: {wildcards.source}"
    shell:
        "python -m scripts.sampling_render --images {input:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule draw_scenes_shard:
    input:
        f"{OUT}/real/{{class_name}}/{{shard}}.h5",
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/draw_scenes_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("draw_scenes_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("draw_scenes_shard"),
        runtime=minutes_for("draw_scenes_shard"),
    params:
        options=lambda w: options(
            SOURCES[w.source].settings,
            samples_of(w),
            source=w.source,
            image_size=DATASET["image_size"],
            seed=config["seed"],
        ),
        code=provenance.code("scripts.sampling_draw_scenes"),
        benchmark=f"{OUT}/benchmarks/draw_scenes_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Draw new scenes of class {wildcards.class_name}, shard {wildcards.shard}: {wildcards.source}"
    shell:
        "python -m scripts.sampling_draw_scenes --images {input:q} --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"
