counts("train_scaling", lambda w: MEASURING.train_and_predict(w.training_set))
counts("compare_scaling", lambda w: MEASURING.tables())


GROWING = ANALYSES["scaling"].growing(config)
SCALED = expand(
    f"{OUT}/scaling/{{name}}/{{multiple}}x/seed-{{seed}}.h5",
    name=GROWING,
    multiple=ANALYSES["scaling"].multiples(config),
    seed=config["seeds"],
)


wildcard_constraints:
    multiple=r"\d+",


rule train_scaling:
    input:
        training_set=f"{OUT}/training_sets/{{training_set}}.h5",
        shards=lambda w: shards_of(w.training_set),
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/scaling/{{training_set}}/{{multiple}}x/seed-{{seed}}.h5",
    log:
        f"{OUT}/logs/train_scaling/{{training_set}}-{{multiple}}x-{{seed}}.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("train_scaling", GPU),
        runtime=minutes_for("train_scaling"),
    params:
        options=lambda w: options(json.loads(training_options(w)), multiple=int(w.multiple)),
        begins_at=begins_at,
        code=provenance.code("scripts.scaling_train"),
        benchmark=f"{OUT}/benchmarks/train_scaling/{{training_set}}-{{multiple}}x-{{seed}}.tsv",
    message:
        "Train on {wildcards.training_set} with {wildcards.multiple} generated images per real one, seed {wildcards.seed}"
    shell:
        "python -m scripts.scaling_train --training-set {input.training_set:q} --test {input.test:q}"
        " --weights {params.begins_at:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule compare_scaling:
    input:
        real=expand(f"{OUT}/predictions/real/seed-{{seed}}.h5", seed=config["seeds"]),
        full=expand(f"{OUT}/predictions/{{name}}/seed-{{seed}}.h5", name=GROWING, seed=config["seeds"]),
        scaled=SCALED,
    output:
        table=tabled("scaling/table.csv"),
        gains=tabled("scaling/gains.csv"),
        accuracies=tabled("scaling/accuracies.csv"),
        figure=drawn("scaling"),
        section=f"{OUT}/sections/scaling.json",
    log:
        f"{OUT}/logs/compare_scaling.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("compare_scaling"),
        runtime=minutes_for("compare_scaling"),
    params:
        variants=config["sampling"]["samples_per_image"],
        margin=config["margin"],
        code=provenance.code("scripts.scaling_compare"),
        benchmark=f"{OUT}/benchmarks/compare_scaling.tsv",
    message:
        "Compare accuracy across generated images per real one"
    shell:
        "python -m scripts.scaling_compare --real {input.real:q} --full {input.full:q} --scaled {input.scaled:q}"
        " --variants {params.variants} --margin {params.margin} --table {output.table:q} --gains {output.gains:q}"
        " --accuracies {output.accuracies:q} --figure {output.figure:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
