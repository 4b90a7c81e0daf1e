# Sources of kind dp_inversion: what is released of the real images, samples of it, and the bundle that may leave.


counts("release_source", lambda w: PLAN.release())
# a profile's groups are sized for all rules, also where a study releases nothing
counts(
    "sample_release_shard",
    lambda w: (
        PLAN.sample_shard(images_of(w), SOURCES[w.source], made_of(w))
        if SOURCES[w.source].rule == "sample_release_shard"
        else plan.Work(images_of(w))
    ),
)
counts("release", lambda w: plan.Work(PLAN.real, host_s=60))


rule release_source:
    input:
        embeddings=class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", CLASSES),
    output:
        f"{OUT}/releases/{{source}}.h5",
    log:
        f"{OUT}/logs/release_source/{{source}}.log",
    wildcard_constraints:
        source=made_by("sample_release_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("release_source"),
        runtime=minutes_for("release_source"),
    params:
        options=release_options,
        embeddings=lambda w, input: listed(input.embeddings),
        basis=lambda w, input: listed(public_embeddings(w.source)),
        images=lambda w, input: filed(json.dumps(released_of())),
        code=provenance.code("scripts.privacy_release"),
        base_model=base_model,
        templates=templates,
        prompts=PROMPTS,
        weights=BASE_MODEL_FINGERPRINT,
        ledgers=LEDGERS,
        secret=f"{LEDGERS}/secret",
        benchmark=f"{OUT}/benchmarks/release_source/{{source}}.tsv",
    message:
        "Release one embedding of each class for {wildcards.source}"
    shell:
        "python -m scripts.privacy_release --embeddings {params.embeddings:q} --basis {params.basis:q}"
        " --base-model {params.base_model:q}/model_index.json --templates {params.templates:q} --images {params.images:q}"
        " --ledgers {params.ledgers:q} --secret {params.secret:q} --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule sample_release_shard:
    input:
        release=f"{OUT}/releases/{{source}}.h5",
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/sample_release_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("sample_release_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("sample_release_shard", GPU),
        runtime=minutes_for("sample_release_shard"),
        disk_mb=disk_for("sample_release_shard"),
    params:
        options=release_sampling_options,
        code=provenance.code("scripts.privacy_sample"),
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/sample_release_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Sample {wildcards.source} images of class {wildcards.class_name}, shard {wildcards.shard} from the release"
    shell:
        "python -m scripts.privacy_sample --release {input.release:q} --base-model {params.base_model:q}/model_index.json"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule release:
    input:
        unpack(bundled),
    output:
        f"{OUT}/release.zip",
    log:
        f"{OUT}/logs/release.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("release"),
        runtime=minutes_for("release"),
    params:
        options=lambda w: options(
            study=config["study"],
            dataset=DATASET["name"],
            base_model=BASE_MODEL_FINGERPRINT,
            base_model_saw=list(private_checks.base_model_saw(config, BASE_MODEL_FINGERPRINT)),
            classifier_weights=weights_of_bundled(),
            images=len(CLASSES) * DATASET["images_per_class"],
            epsilon=config["privacy"]["epsilon"],
            delta=config["privacy"]["delta"],
            neighbours=config["privacy"]["neighbours"],
        ),
        files=lambda w, input: f"@{filed(chr(10).join(input))}",
        images=lambda w, input: filed(json.dumps(released_of())),
        ledgers=LEDGERS,
        folder=lambda w: OUT,
        code=provenance.code("scripts.privacy_bundle"),
        benchmark=f"{OUT}/benchmarks/release.tsv",
    message:
        "Bundle what may leave: releases, samples, classifiers and a card with the guarantee"
    shell:
        "python -m scripts.privacy_bundle --files {params.files:q} --folder {params.folder:q} --images {params.images:q}"
        " --ledgers {params.ledgers:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q}"
        " > {log:q} 2>&1"
