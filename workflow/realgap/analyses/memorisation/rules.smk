counts("infer_membership", lambda w: MEASURING.infer_membership())
counts("audit_memorisation", lambda w: MEASURING.audit_memorisation())


rule infer_membership:
    input:
        classifiers=of_own_classifier(f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors"),
        predictions=of_own_classifier(f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5"),
        train=image_shards_of("real"),
    output:
        tabled("memorisation/membership_seeds.csv"),
    log:
        f"{OUT}/logs/infer_membership.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("infer_membership", GPU),
        runtime=minutes_for("infer_membership"),
    params:
        options=options(
            config["compute"],
            without(config["memorisation"], "near_copy_quantile", "pairs", "resamples"),
            seed=config["seed"],
        ),
        train=lambda w, input: listed(input.train),
        code=provenance.code("scripts.memorisation_infer_membership"),
        benchmark=f"{OUT}/benchmarks/infer_membership.tsv",
    message:
        "Tell training images from test images by the classifiers' losses"
    shell:
        "python -m scripts.memorisation_infer_membership --classifiers {input.classifiers:q} --predictions {input.predictions:q}"
        " --train {params.train:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule audit_memorisation:
    input:
        train_features=f"{OUT}/features/real.h5",
        train=image_shards_of("real"),
        test_features=f"{OUT}/features/test.h5",
        test=f"{OUT}/test.h5",
        features=expand(f"{OUT}/features/{{image_set}}.h5", image_set=CONTROLLED),
        shards=shards_of_sets(CONTROLLED),
        membership_seeds=f"{OUT}/memorisation/membership_seeds.csv",
    output:
        copies=tabled("memorisation/copies.csv"),
        images=tabled("memorisation/images.csv"),
        membership=tabled("memorisation/membership.csv"),
        ratios=drawn("memorisation"),
        pairs=drawn("memorisation_pairs"),
        section=f"{OUT}/sections/memorisation.json",
    log:
        f"{OUT}/logs/audit_memorisation.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("audit_memorisation"),
        runtime=minutes_for("audit_memorisation"),
    params:
        options=options(
            without(config["memorisation"], "members_per_class"),
            sources=CONTROLLED,
            generators=[source for source in GENERATED if source in GENERATORS] or GENERATED,
            seed=config["seed"],
        ),
        train=lambda w, input: listed(input.train),
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.memorisation_audit"),
        benchmark=f"{OUT}/benchmarks/audit_memorisation.tsv",
    message:
        "Audit whether generated images repeat training images"
    shell:
        "python -m scripts.memorisation_audit --train-features {input.train_features:q} --train {params.train:q}"
        " --test-features {input.test_features:q} --test {input.test:q} --features {input.features:q}"
        " --shards {params.shards:q} --membership-seeds {input.membership_seeds:q} --copies {output.copies:q} --images {output.images:q} --membership {output.membership:q}"
        " --ratios {output.ratios:q} --pairs {output.pairs:q}"
        " --section {output.section:q} --options {params.options:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
