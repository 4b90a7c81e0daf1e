# The results of these rules can be shared between checkouts (snakemake --cache). Snakemake allows no
# benchmark directive beside `cache`, so these steps write theirs in the same format themselves.


rule encode_shard:
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
        base_model=ancient(f"{BASE_MODEL}/model_index.json"),
    output:
        f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/encode_shard/{{class_name}}-{{shard}}.log",
    cache: True
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory_for("encode_shard"),
        runtime=minutes_for("encode_shard"),
        disk_mb=disk_for("encode_shard"),
    params:
        options=options(config["compute"], resolution=config["base_model"]["resolution"]),
        code=provenance.code("scripts.encode"),
        benchmark=f"{OUT}/benchmarks/encode_shard/{{class_name}}-{{shard}}.tsv",
        weights=BASE_MODEL_FINGERPRINT,
        # a shared cache does not see wildcards, only params
        shard=lambda w: f"{w.class_name}/{w.shard}",
    message:
        "Encode class {wildcards.class_name}, shard {wildcards.shard} with the VAE"
    shell:
        "python -m scripts.encode --images {input.images:q} --base-model {input.base_model:q}"
        " --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule invert_shard:
    input:
        images=f"{OUT}/real/{{class_name}}/{{shard}}.h5",
        moments=f"{OUT}/moments/{{class_name}}/{{shard}}.h5",
        base_model=ancient(f"{BASE_MODEL}/model_index.json"),
        templates=config["sampling"]["stable_diffusion"]["templates"],
    output:
        f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/invert_shard/{{class_name}}-{{shard}}.log",
    cache: True
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory_for("invert_shard"),
        runtime=minutes_for("invert_shard"),
        disk_mb=disk_for("invert_shard"),
    params:
        options=lambda w: options(config["compute"], config["inversion"], class_name=w.class_name, seed=config["seed"]),
        code=provenance.code("scripts.invert", {"scripts.invert.STARTS": config["inversion"]["start"]}),
        benchmark=f"{OUT}/benchmarks/invert_shard/{{class_name}}-{{shard}}.tsv",
        weights=BASE_MODEL_FINGERPRINT,
        shard=lambda w: w.shard,
    message:
        "Invert class {wildcards.class_name}, shard {wildcards.shard} into embeddings"
    shell:
        "python -m scripts.invert --images {input.images:q} --moments {input.moments:q}"
        " --base-model {input.base_model:q} --templates {input.templates:q} --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"
