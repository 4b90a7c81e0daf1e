def shards_of(training_set):
    """The image shards of every source of a training set, real ones first."""
    folders = {"real": f"{OUT}/real"}
    shards = []
    for source in configuration.parts(training_set):
        folder = folders.get(source, f"{OUT}/samples/{source}")
        shards += class_shards(f"{folder}/{{class_name}}/{{shard}}.h5", DATASET["classes"])
    return shards


def training_options(wildcards):
    """The classifier's settings; the share of real images only where there are real and generated ones."""
    mixed = len(configuration.parts(wildcards.training_set)) > 1
    share = config["classifier"]["real_share"] if mixed else 1.0
    return options(config["compute"], config["classifier"], real_share=share, seed=int(wildcards.seed))


rule assemble:
    message:
        "Assemble the training set {wildcards.training_set}"
    input:
        lambda w: shards_of(w.training_set),
    output:
        f"{OUT}/training_sets/{{training_set}}.h5",
    params:
        code=provenance.code("scripts.assemble"),
    log:
        f"{OUT}/logs/assemble/{{training_set}}.log",
    benchmark:
        f"{OUT}/benchmarks/assemble/{{training_set}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    shell:
        "python -m scripts.assemble --shards {input:q} --training-set {wildcards.training_set:q}"
        " --out {output:q} > {log:q} 2>&1"


rule train:
    message:
        "Train a classifier on {wildcards.training_set}, seed {wildcards.seed}"
    input:
        training_set=f"{OUT}/training_sets/{{training_set}}.h5",
        shards=lambda w: shards_of(w.training_set),
    output:
        f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
    params:
        options=training_options,
        code=provenance.code("scripts.train"),
    log:
        f"{OUT}/logs/train/{{training_set}}-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/train/{{training_set}}-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python -m scripts.train --training-set {input.training_set:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule evaluate:
    message:
        "Evaluate the classifier of {wildcards.training_set}, seed {wildcards.seed} on real test images"
    input:
        classifier=f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5",
    params:
        options=options(config["compute"]),
        code=provenance.code("scripts.evaluate"),
    log:
        f"{OUT}/logs/evaluate/{{training_set}}-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/evaluate/{{training_set}}-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    shell:
        "python -m scripts.evaluate --classifier {input.classifier:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"
