counts("extract_shard", lambda w: PLAN.extract_shard(images_of(w)))
counts("extract_test", None)
counts("extract_validation", None)
counts("take_inventory", None)


# of a user's own data set, read again in each run where size or time of a file differ
rule take_inventory:
    output:
        f"{OUT}/inventory.csv",
    log:
        f"{OUT}/logs/take_inventory.log",
    benchmark:
        f"{OUT}/benchmarks/take_inventory.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        options=lambda w: options(
            {key: DATASET[key] for key in ("validation_images_per_class", "test_share")},
            dataset=DATASET["name"],
            classes=sorted(CLASSES),
            seed=config["seed"],
            content=own_images()[0].content(),
        ),
        root=lambda w, output: DATASET["root"],
        code=provenance.code("scripts.data_inventory"),
    message:
        "Take the inventory of {config[dataset][root]}"
    shell:
        "python -m scripts.data_inventory --root {params.root:q} --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule extract_shard:
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
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
    message:
        "Extract real images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m {params.step} {params.data_set:q} --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule extract_test:
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
        options=lambda w: extraction_options("test", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
    message:
        "Extract the real test images"
    shell:
        "python -m {params.step} {params.data_set:q} --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule extract_validation:
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
        options=lambda w: extraction_options("validation", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
    message:
        "Extract the real validation images"
    shell:
        "python -m {params.step} {params.data_set:q} --options {params.options:q} --out {output:q} > {log:q} 2>&1"
