counts("extract_shard", lambda w: MEASURING.read(images_of(w)))
counts("extract_test", lambda w: MEASURING.read(PLAN.test_images()))
counts("extract_validation", lambda w: MEASURING.read(PLAN.classes * DATASET["validation_images_per_class"]))


rule extract_shard:
    input:
        dataset_files,
    output:
        f"{OUT}/real/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/extract_shard/{{class_name}}-{{shard}}.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("extract_shard"),
        runtime=minutes_for("extract_shard"),
    params:
        options=lambda w: extraction_options("train", [w.class_name], *span(w.shard)),
        step=EXTRACT,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_shard/{{class_name}}-{{shard}}.tsv",
    message:
        "Extract real images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule extract_test:
    input:
        dataset_files,
    output:
        f"{OUT}/test.h5",
    log:
        f"{OUT}/logs/extract_test.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("extract_test"),
        runtime=minutes_for("extract_test"),
    params:
        options=extraction_options("test", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_test.tsv",
    message:
        "Extract the real test images"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule extract_validation:
    input:
        dataset_files,
    output:
        f"{OUT}/validation.h5",
    log:
        f"{OUT}/logs/extract_validation.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("extract_validation"),
        runtime=minutes_for("extract_validation"),
    params:
        options=extraction_options("validation", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_validation.tsv",
    message:
        "Extract the real validation images"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
