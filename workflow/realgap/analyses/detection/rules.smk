counts("measure_detection", lambda w: MEASURING.measure_detection())


rule measure_detection:
    input:
        test_features=f"{OUT}/features/test.h5",
        test=f"{OUT}/test.h5",
        features=expand(f"{OUT}/features/{{image_set}}.h5", image_set=["real", *CONTROLLED]),
        shards=shards_of_sets(["real", *CONTROLLED]),
    output:
        table=tabled("detection/table.csv"),
        figure=drawn("detection"),
        section=f"{OUT}/sections/detection.json",
    log:
        f"{OUT}/logs/measure_detection.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("measure_detection", GPU),
        runtime=minutes_for("measure_detection"),
    params:
        options=options(
            config["detection"],
            config["compute"],
            sources=["real", *CONTROLLED],
            seed=config["seed"],
        ),
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.detection_measure"),
        benchmark=f"{OUT}/benchmarks/measure_detection.tsv",
    message:
        "Tell generated images from real ones"
    shell:
        "python -m scripts.detection_measure --test-features {input.test_features:q} --test {input.test:q}"
        " --features {input.features:q} --shards {params.shards:q} --table {output.table:q} --figure {output.figure:q}"
        " --section {output.section:q} --options {params.options:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"
