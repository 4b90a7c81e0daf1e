counts("extract_features", lambda w: MEASURING.extract_features(w.image_set))

IMAGE_SETS = ["real", "test", "resampled", *GENERATED]
CONTROLLED = IMAGE_SETS[2:]  # what is measured against real images: a control and the generated sets


wildcard_constraints:
    image_set="|".join(IMAGE_SETS),


rule extract_features:
    input:
        network=feature_network,
        shards=lambda w: image_shards_of(w.image_set),
    output:
        f"{OUT}/features/{{image_set}}.h5",
    log:
        f"{OUT}/logs/extract_features/{{image_set}}.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("extract_features", GPU),
        runtime=minutes_for("extract_features"),
    params:
        options=lambda w: options(feature_options(), config["compute"], resampled=w.image_set == "resampled"),
        network=lambda w, input: str(input.network) or config["features"]["weights"],
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.features_extract"),
        benchmark=f"{OUT}/benchmarks/extract_features/{{image_set}}.tsv",
    message:
        "Extract features of the set {wildcards.image_set}"
    shell:
        "python -m scripts.features_extract --network {params.network:q} --shards {params.shards:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"
