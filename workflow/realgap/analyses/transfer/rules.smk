counts("tune_transfer", lambda w: MEASURING.tune_transfer())
counts("compare_transfer", lambda w: MEASURING.tables())


# what is tuned: classifiers that never saw a real image, and none (trained from scratch, for comparison)


PRETRAINED = ["scratch", *ANALYSES["transfer"].pretrained(config)]
TUNED = expand(f"{OUT}/transfer/{{pretrained}}/seed-{{seed}}.csv", pretrained=PRETRAINED, seed=config["seeds"])


def tuning_options(wildcards):
    """The classifier's settings on real images alone, and the cells of the heat map."""
    return options(
        config["compute"],
        {**classifier_options(recipes.classifier(config, sources.REAL)), "epochs": None, **config["transfer"]},
        real_share=1.0,
        seed=int(wildcards.seed),
        pretrained=wildcards.pretrained,
    )


wildcard_constraints:
    pretrained="|".join(map(re.escape, PRETRAINED)),


rule tune_transfer:
    input:
        classifier=lambda w: (
            [] if w.pretrained == "scratch" else f"{OUT}/classifiers/{w.pretrained}/seed-{w.seed}.safetensors"
        ),
        real=f"{OUT}/training_sets/real.h5",
        shards=shards_of("real"),
        test=f"{OUT}/test.h5",
    output:
        tabled("transfer/{pretrained}/seed-{seed}.csv"),
    log:
        f"{OUT}/logs/tune_transfer/{{pretrained}}-{{seed}}.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("tune_transfer", GPU),
        runtime=minutes_for("tune_transfer"),
    params:
        options=tuning_options,
        begins_at=begins_at,
        code=provenance.code("scripts.transfer_tune"),
        benchmark=f"{OUT}/benchmarks/tune_transfer/{{pretrained}}-{{seed}}.tsv",
    message:
        "Tune the classifier of {wildcards.pretrained}, seed {wildcards.seed} on parts of the real images"
    shell:
        "python -m scripts.transfer_tune --classifier {input.classifier:q} --real {input.real:q} --test {input.test:q}"
        " --weights {params.begins_at:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule compare_transfer:
    input:
        TUNED,
    output:
        table=tabled("transfer/table.csv"),
        accuracies=tabled("transfer/accuracies.csv"),
        figure=drawn("transfer"),
        section=f"{OUT}/sections/transfer.json",
    log:
        f"{OUT}/logs/compare_transfer.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("compare_transfer"),
        runtime=minutes_for("compare_transfer"),
    params:
        code=provenance.code("scripts.transfer_compare"),
        benchmark=f"{OUT}/benchmarks/compare_transfer.tsv",
    message:
        "Compare tuned classifiers with training from scratch"
    shell:
        "python -m scripts.transfer_compare --tuned {input:q} --table {output.table:q}"
        " --accuracies {output.accuracies:q} --figure {output.figure:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
