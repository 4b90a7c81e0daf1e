rule extract_shard:
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
        mem_mb=2000,
        runtime=10,
    params:
        options=lambda w: options(
            dataset=DATASET["name"],
            split="train",
            classes=[w.class_name],
            start=span(w.shard)[0],
            stop=span(w.shard)[1],
            image_size=DATASET["image_size"],
            seed=config["seed"],
        ),
        code=provenance.code("scripts.extract"),
    message:
        "Extract real images of class {wildcards.class_name}, shard {wildcards.shard}"
    shell:
        "python -m scripts.extract --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule extract_test:
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
        options=lambda w: options(
            dataset=DATASET["name"],
            split="test",
            classes=DATASET["classes"],
            start=0,
            stop=DATASET["images_per_class"],
            image_size=DATASET["image_size"],
            seed=config["seed"],
        ),
        code=provenance.code("scripts.extract"),
    message:
        "Extract the real test images"
    shell:
        "python -m scripts.extract --options {params.options:q} --out {output:q} > {log:q} 2>&1"
