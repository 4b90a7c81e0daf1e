counts("extract_shard", lambda w: MEASURING.read(images_of(w)))
# test images of a user's own are compared with all that are trained on
counts("extract_test", lambda w: MEASURING.screen(PLAN.test_images(), PLAN.real if OWN else 0))
counts("extract_validation", lambda w: MEASURING.read(PLAN.classes * DATASET["validation_images_per_class"]))
counts("take_inventory", lambda w: MEASURING.read(len(own_parts().images) if OWN else 0))


# of a user's own data set, read again in each run where size or time of a file differ
rule take_inventory:
    output:
        f"{OUT}/inventory.csv",
    log:
        f"{OUT}/logs/take_inventory.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("take_inventory"),
        runtime=minutes_for("take_inventory"),
    params:
        options=lambda w: options(
            {key: DATASET[key] for key in ("validation_images_per_class", "test_share")},
            dataset=DATASET["name"],
            classes=sorted(CLASSES),
            seed=config["seed"],
            **({"groups": DATASET["groups"]} if DATASET["groups"] else {}),
            content=own_parts().content(),
        ),
        root=lambda w, output: DATASET["root"],
        code=provenance.code("scripts.data_inventory", READER_KEYS),
        benchmark=f"{OUT}/benchmarks/take_inventory.tsv",
    message:
        "Take the inventory of {config[dataset][root]}"
    shell:
        "python -m scripts.data_inventory --root {params.root:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule extract_shard:
    input:
        no_files,
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
        options=lambda w: extraction_options("train", [CLASS_OF[w.class_name]], *span(w)),
        step=EXTRACT,
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_shard/{{class_name}}-{{shard}}.tsv",
    message:
        "Extract real images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m {params.step} {params.data_set:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule extract_test:
    input:
        no_files,
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
        options=lambda w: extraction_options("test", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_test.tsv",
    message:
        "Extract the real test images"
    shell:
        "python -m {params.step} {params.data_set:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule extract_validation:
    input:
        no_files,
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
        options=lambda w: extraction_options("validation", CLASSES, 0, DATASET["images_per_class"]),
        step=EXTRACT,
        data_set=data_set,
        code=provenance.code(EXTRACT, EXTRACT_KEYS),
        benchmark=f"{OUT}/benchmarks/extract_validation.tsv",
    message:
        "Extract the real validation images"
    shell:
        "python -m {params.step} {params.data_set:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
