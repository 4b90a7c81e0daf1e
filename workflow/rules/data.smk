counts("extract_shard", lambda w: PLAN.extract_shard(images_of(w)))
counts("extract_test", None)
counts("extract_validation", None)


rule extract_shard:
    input:
        dataset_files(),
    output:
        f"{OUT}/real/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/extract_shard/{{class_name}}-{{shard}}.log",
    benchmark:
        f"{OUT}/benchmarks/extract_shard/{{class_name}}-{{shard}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        options=lambda w: extraction_options("train", [w.class_name], *span(w.shard)),
        step=EXTRACT,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
    message:
        "Extract real images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule extract_test:
    input:
        dataset_files(),
    output:
        f"{OUT}/test.h5",
    log:
        f"{OUT}/logs/extract_test.log",
    benchmark:
        f"{OUT}/benchmarks/extract_test.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=extraction_options("test", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
    message:
        "Extract the real test images"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule extract_validation:
    input:
        dataset_files(),
    output:
        f"{OUT}/validation.h5",
    log:
        f"{OUT}/logs/extract_validation.log",
    benchmark:
        f"{OUT}/benchmarks/extract_validation.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=extraction_options("validation", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
    message:
        "Extract the real validation images"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} > {log:q} 2>&1"
