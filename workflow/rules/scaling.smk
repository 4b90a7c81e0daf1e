counts("scale", None)
counts("compare_scaling", None)

# training sets that can grow: those with several images generated for each real one
GROWING = [name for name in config["training_sets"] if set(sources.parts_of(name)) & set(GENERATORS)]
MULTIPLES = [
    multiple for multiple in config["scaling"]["multiples"] if multiple < config["sampling"]["samples_per_image"]
]
SCALED = expand(
    f"{OUT}/scaling/{{name}}/{{multiple}}x/seed-{{seed}}.h5", name=GROWING, multiple=MULTIPLES, seed=config["seeds"]
)
if config["scaling"]["enabled"] and GROWING and MULTIPLES:
    SECTIONS.append("scaling")
    KEPT += SCALED


wildcard_constraints:
    multiple=r"\d+",


rule scale:
    input:
        training_set=f"{OUT}/training_sets/{{training_set}}.h5",
        shards=lambda w: shards_of(w.training_set),
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/scaling/{{training_set}}/{{multiple}}x/seed-{{seed}}.h5",
    log:
        f"{OUT}/logs/scale/{{training_set}}-{{multiple}}x-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/scale/{{training_set}}-{{multiple}}x-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=60,
    params:
        options=lambda w: options(json.loads(training_options(w)), multiple=int(w.multiple)),
        code=provenance.code("scripts.scale"),
    message:
        "Train on {wildcards.training_set} with {wildcards.multiple} generated images per real one, seed {wildcards.seed}"
    shell:
        "python -m scripts.scale --training-set {input.training_set:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule compare_scaling:
    input:
        real=expand(f"{OUT}/predictions/real/seed-{{seed}}.h5", seed=config["seeds"]),
        full=expand(f"{OUT}/predictions/{{name}}/seed-{{seed}}.h5", name=GROWING, seed=config["seeds"]),
        scaled=SCALED,
    output:
        table=report(f"{OUT}/scaling/table.csv", caption="../report/scaling_table.rst", category="Scaling"),
        gains=report(f"{OUT}/scaling/gains.csv", caption="../report/scaling_gains.rst", category="Scaling"),
        accuracies=report(f"{OUT}/scaling/accuracies.csv", caption="../report/observations.rst", category="Scaling"),
        figure=report(
            multiext(f"{OUT}/figures/scaling", ".png", ".svg"),
            caption="../report/scaling.rst",
            category="Scaling",
        ),
        section=f"{OUT}/sections/scaling.json",
    log:
        f"{OUT}/logs/compare_scaling.log",
    benchmark:
        f"{OUT}/benchmarks/compare_scaling.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        variants=config["sampling"]["samples_per_image"],
        code=provenance.code("scripts.compare_scaling"),
    message:
        "Compare accuracy across generated images per real one"
    shell:
        "python -m scripts.compare_scaling --real {input.real:q} --full {input.full:q} --scaled {input.scaled:q}"
        " --variants {params.variants} --table {output.table:q} --gains {output.gains:q}"
        " --accuracies {output.accuracies:q} --figure {output.figure:q} --section {output.section:q} > {log:q} 2>&1"
