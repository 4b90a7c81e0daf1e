counts("attend", None)
counts("compare_attention", None)

if "attention" in config["analyses"]:
    SECTIONS.append("attention")
    KEPT += of_every_classifier(f"{OUT}/attention/{{training_set}}/seed-{{seed}}.h5")


rule attend:
    input:
        classifier=f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/attention/{{training_set}}/seed-{{seed}}.h5",
    log:
        f"{OUT}/logs/attend/{{training_set}}-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/attend/{{training_set}}-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=60,
    params:
        options=options(config["attention"], seed=config["seed"], device=config["compute"]["device"]),
        code=provenance.code("scripts.attend"),
    message:
        "See where the classifier of {wildcards.training_set}, seed {wildcards.seed} looks on real test images"
    shell:
        "python -m scripts.attend --classifier {input.classifier:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} > {log:q} 2>&1"


rule compare_attention:
    input:
        attention=of_every_classifier(f"{OUT}/attention/{{training_set}}/seed-{{seed}}.h5"),
        test=f"{OUT}/test.h5",
        real=first_shards(),
    output:
        comparison=report(
            f"{OUT}/attention/comparison.csv", caption="../report/attention_comparison.rst", category="Attention"
        ),
        strata=report(f"{OUT}/attention/strata.csv", caption="../report/attention_strata.rst", category="Attention"),
        models=report(f"{OUT}/attention/models.csv", caption="../report/attention_models.rst", category="Attention"),
        maps=report(f"{OUT}/attention/maps.csv", caption="../report/observations.rst", category="Attention"),
        differences=report(
            multiext(f"{OUT}/figures/attention", ".png", ".svg"),
            caption="../report/attention.rst",
            category="Attention",
        ),
        panels=report(
            multiext(f"{OUT}/figures/attention_panels", ".png", ".svg"),
            caption="../report/attention_panels.rst",
            category="Attention",
        ),
        section=f"{OUT}/sections/attention.json",
    log:
        f"{OUT}/logs/compare_attention.log",
    benchmark:
        f"{OUT}/benchmarks/compare_attention.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=provenance.code("scripts.compare_attention"),
    message:
        "Compare where the classifiers look"
    shell:
        "python -m scripts.compare_attention --attention {input.attention:q} --test {input.test:q}"
        " --real {input.real:q} --comparison {output.comparison:q} --strata {output.strata:q}"
        " --models {output.models:q} --maps {output.maps:q} --differences {output.differences:q}"
        " --panels {output.panels:q} --section {output.section:q} > {log:q} 2>&1"
