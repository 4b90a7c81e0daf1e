if "memorisation" in config["analyses"]:
    SECTIONS.append("memorisation")


rule audit:
    input:
        train_features=f"{OUT}/features/real.h5",
        train=image_shards_of("real"),
        test_features=f"{OUT}/features/test.h5",
        test=f"{OUT}/test.h5",
        features=expand(f"{OUT}/features/{{image_set}}.h5", image_set=CONTROLLED),
        shards=shards_of_sets(CONTROLLED),
        classifiers=of_every_classifier(f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors"),
        predictions=of_every_classifier(f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5"),
    output:
        copies=report(f"{OUT}/memorisation/copies.csv", caption="../report/copies.rst", category="Memorisation"),
        images=f"{OUT}/memorisation/images.csv",
        membership=report(
            f"{OUT}/memorisation/membership.csv", caption="../report/membership.rst", category="Memorisation"
        ),
        membership_seeds=f"{OUT}/memorisation/membership_seeds.csv",
        ratios=report(
            multiext(f"{OUT}/figures/memorisation", ".png", ".svg"),
            caption="../report/memorisation.rst",
            category="Memorisation",
        ),
        pairs=report(
            multiext(f"{OUT}/figures/memorisation_pairs", ".png", ".svg"),
            caption="../report/memorisation_pairs.rst",
            category="Memorisation",
        ),
        section=f"{OUT}/sections/memorisation.json",
    log:
        f"{OUT}/logs/audit.log",
    benchmark:
        f"{OUT}/benchmarks/audit.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        options=options(
            config["memorisation"],
            config["compute"],
            sources=CONTROLLED,
            generators=[source for source in CONTROLLED if source in GENERATORS],
            seed=config["seed"],
        ),
        code=provenance.code("scripts.audit"),
    message:
        "Audit memorisation by images and by classifiers"
    shell:
        "python -m scripts.audit --train-features {input.train_features:q} --train {input.train:q}"
        " --test-features {input.test_features:q} --test {input.test:q} --features {input.features:q}"
        " --shards {input.shards:q} --classifiers {input.classifiers:q} --predictions {input.predictions:q}"
        " --copies {output.copies:q} --images {output.images:q} --membership {output.membership:q}"
        " --membership-seeds {output.membership_seeds:q} --ratios {output.ratios:q} --pairs {output.pairs:q}"
        " --section {output.section:q} --options {params.options:q} > {log:q} 2>&1"
