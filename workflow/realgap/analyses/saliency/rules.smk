counts("map_saliency", lambda w: MEASURING.map_saliency(w.training_set))
counts("compare_saliency", lambda w: MEASURING.compare_saliency())


rule map_saliency:
    input:
        classifier=f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/saliency/{{training_set}}/seed-{{seed}}.h5",
    log:
        f"{OUT}/logs/map_saliency/{{training_set}}-{{seed}}.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("map_saliency", GPU),
        runtime=minutes_for("map_saliency"),
    params:
        options=options(config["saliency"], config["compute"], seed=config["seed"]),
        code=provenance.code("scripts.saliency_map"),
        benchmark=f"{OUT}/benchmarks/map_saliency/{{training_set}}-{{seed}}.tsv",
    message:
        "See where the classifier of {wildcards.training_set}, seed {wildcards.seed} looks on real test images"
    shell:
        "python -m scripts.saliency_map --classifier {input.classifier:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule compare_saliency:
    input:
        saliency=of_every_classifier(f"{OUT}/saliency/{{training_set}}/seed-{{seed}}.h5"),
        test=f"{OUT}/test.h5",
    output:
        comparison=tabled("saliency/comparison.csv"),
        strata=tabled("saliency/strata.csv"),
        models=tabled("saliency/models.csv"),
        maps=tabled("saliency/maps.csv"),
        differences=drawn("saliency"),
        panels=drawn("saliency_panels"),
        section=f"{OUT}/sections/saliency.json",
    log:
        f"{OUT}/logs/compare_saliency.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("compare_saliency"),
        runtime=minutes_for("compare_saliency"),
    params:
        code=provenance.code("scripts.saliency_compare"),
        benchmark=f"{OUT}/benchmarks/compare_saliency.tsv",
    message:
        "Compare where the classifiers look"
    shell:
        "python -m scripts.saliency_compare --saliency {input.saliency:q} --test {input.test:q}"
        " --comparison {output.comparison:q} --strata {output.strata:q}"
        " --models {output.models:q} --maps {output.maps:q} --differences {output.differences:q}"
        " --panels {output.panels:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
