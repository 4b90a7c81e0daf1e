counts("tune", None)
counts("compare_transfer", None)

# what is tuned: classifiers that never saw a real image, and none (trained from scratch, for comparison)
PRETRAINED = [name for name in config["training_sets"] if "real" not in sources.parts_of(name)]
TUNED = expand(
    f"{OUT}/transfer/{{pretrained}}/seed-{{seed}}.csv", pretrained=["scratch", *PRETRAINED], seed=config["seeds"]
)
if config["transfer"]["enabled"] and PRETRAINED:
    SECTIONS.append("transfer")
    KEPT += TUNED


wildcard_constraints:
    pretrained="|".join(map(re.escape, ["scratch", *PRETRAINED])),


rule tune:
    input:
        classifier=lambda w: (
            [] if w.pretrained == "scratch" else f"{OUT}/classifiers/{w.pretrained}/seed-{w.seed}.safetensors"
        ),
        real=f"{OUT}/training_sets/real.h5",
        shards=shards_of("real"),
        test=f"{OUT}/test.h5",
    output:
        report(
            f"{OUT}/transfer/{{pretrained}}/seed-{{seed}}.csv",
            caption="../report/observations.rst",
            category="Transfer",
        ),
    log:
        f"{OUT}/logs/tune/{{pretrained}}-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/tune/{{pretrained}}-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=480,
    params:
        options=tuning_options,
        code=provenance.code("scripts.tune"),
    message:
        "Tune the classifier of {wildcards.pretrained}, seed {wildcards.seed} on parts of the real images"
    shell:
        "python -m scripts.tune --classifier {input.classifier:q} --real {input.real:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule compare_transfer:
    input:
        TUNED,
    output:
        table=report(f"{OUT}/transfer/table.csv", caption="../report/transfer_table.rst", category="Transfer"),
        accuracies=report(f"{OUT}/transfer/accuracies.csv", caption="../report/observations.rst", category="Transfer"),
        figure=report(
            multiext(f"{OUT}/figures/transfer", ".png", ".svg"),
            caption="../report/transfer.rst",
            category="Transfer",
        ),
        section=f"{OUT}/sections/transfer.json",
    log:
        f"{OUT}/logs/compare_transfer.log",
    benchmark:
        f"{OUT}/benchmarks/compare_transfer.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=provenance.code("scripts.compare_transfer"),
    message:
        "Compare tuned classifiers with training from scratch"
    shell:
        "python -m scripts.compare_transfer --tuned {input:q} --table {output.table:q}"
        " --accuracies {output.accuracies:q} --figure {output.figure:q} --section {output.section:q} > {log:q} 2>&1"
