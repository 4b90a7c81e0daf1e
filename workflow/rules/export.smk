# `snakemake export` writes images of a study as files for other programs: results/<study>/export/<of>.<layout>/.
counts("export", lambda w: MEASURING.read(PLAN.training_images(config["export"]["of"])))


rule export:
    input:
        shards_of(config["export"]["of"]),
    output:
        f"{OUT}/export/{config['export']['of']}.{config['export']['layout']}/README.md",
    log:
        f"{OUT}/logs/export.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("export"),
        runtime=minutes_for("export"),
    params:
        options=lambda w: export_options(),
        shards=lambda w, input: listed(input),
        # what audits say stands in the card where they have been made
        audits=lambda w, input: [path for path in [f"{OUT}/sections/memorisation.json"] if os.path.exists(path)],
        code=provenance.code("scripts.export_write"),
        benchmark=f"{OUT}/benchmarks/export.tsv",
    message:
        "Write the images of {config[export][of]} as {config[export][layout]}"
    shell:
        "python -m scripts.export_write --shards {params.shards:q} --audits {params.audits:q} --options {params.options:q}"
        " --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


counts("export_classifier", lambda w: MEASURING.tables())


rule export_classifier:
    input:
        f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
    output:
        f"{OUT}/export/classifiers/{{training_set}}/seed-{{seed}}.pt2",
    log:
        f"{OUT}/logs/export_classifier/{{training_set}}-seed-{{seed}}.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("export_classifier"),
        runtime=minutes_for("export_classifier"),
    params:
        options=options(image_size=DATASET["image_size"]),
        code=provenance.code("scripts.export_classifier"),
        benchmark=f"{OUT}/benchmarks/export_classifier/{{training_set}}-seed-{{seed}}.tsv",
    message:
        "Write the classifier of {wildcards.training_set}, seed {wildcards.seed} as a program"
    shell:
        "python -m scripts.export_classifier --classifier {input:q} --options {params.options:q} --out {output:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule export_classifiers:
    input:
        expand(
            f"{OUT}/export/classifiers/{{training_set}}/seed-{{seed}}.pt2",
            training_set=config["training_sets"],
            seed=config["seeds"],
        ),
    localrule: True
