if DATASET["name"] in catalog.ARCHIVES:

    # a download is work for the login node: compute nodes often have no internet
    rule fetch_dataset:
        output:
            f"{DATASET['root']}/{catalog.ARCHIVES[DATASET['name']].marker}",
        log:
            f"results/downloads/logs/{DATASET['name']}.log",
        benchmark:
            f"results/downloads/benchmarks/{DATASET['name']}.tsv"
        localrule: True
        conda:
            "../../envs/realgap.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=240,
        params:
            options=options(dataset=DATASET["name"], root=DATASET["root"]),
        message:
            f"Download the data set {DATASET['name']}"
        shell:
            "python -m scripts.data_fetch --options {params.options:q} > {log:q} 2>&1"


counts("fetch_dataset", None)
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
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        options=lambda w: extraction_options("train", [w.class_name], *span(w.shard)),
        step=EXTRACT,
        code=provenance.code(EXTRACT),
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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=extraction_options("test", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        code=provenance.code(EXTRACT),
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
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=extraction_options("validation", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        code=provenance.code(EXTRACT),
    message:
        "Extract the real validation images"
    shell:
        "python -m {params.step} --options {params.options:q} --out {output:q} > {log:q} 2>&1"
