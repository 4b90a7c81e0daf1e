counts("compare_selection", lambda w: MEASURING.map_saliency())

# real images, candidates and what was chosen of them
CHOSEN = ANALYSES["selection"].shown(config)
SELECTIONS = {name: SOURCES[name].settings for name in CHOSEN[1:] if SOURCES[name].kind == "selection"}


rule compare_selection:
    input:
        shards=shards_of_sets(CHOSEN),
        scores=[
            file
            for of in dict.fromkeys(one["of"] for one in SELECTIONS.values())
            for file in class_shards(f"{OUT}/scores/{of}/{{class_name}}/{{shard}}.h5", CLASSES)
        ],
        predictions=of_every_classifier(f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5"),
        auditor=f"{OUT}/classifiers/real/seed-{config['seeds'][0]}.safetensors",
    output:
        gains=tabled("selection/gains.csv"),
        chosen=tabled("selection/sources.csv"),
        scores_figure=drawn("selection_scores"),
        candidates_figure=drawn("selection_candidates"),
        section=f"{OUT}/sections/selection.json",
    log:
        f"{OUT}/logs/compare_selection.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("compare_selection", GPU),
        runtime=minutes_for("compare_selection"),
        disk_mb=disk_for("compare_selection"),
    params:
        options=lambda w: options(
            config["compute"],
            sources=CHOSEN,
            of={name: one["of"] for name, one in SELECTIONS.items()},
            candidates={name: one["candidates"] for name, one in SELECTIONS.items()},
            controls=selection_controls(),
            sampled={name: sum(map(sampled_for, sources.parts_of(name))) for name in config["training_sets"]},
            training_sets=config["training_sets"],
            layer=config["saliency"]["layer"],
            margin=config["margin"],
            seed=config["seed"],
        ),
        shards=lambda w, input: listed(input.shards),
        scores=lambda w, input: listed(input.scores),
        predictions=lambda w, input: listed(input.predictions),
        code=provenance.code("scripts.selection_compare"),
        benchmark=f"{OUT}/benchmarks/compare_selection.tsv",
    message:
        "Compare what criteria chose with a random pick and with all candidates"
    shell:
        "python -m scripts.selection_compare --shards {params.shards:q} --scores {params.scores:q}"
        " --predictions {params.predictions:q} --auditor {input.auditor:q} --options {params.options:q}"
        " --gains {output.gains:q} --chosen {output.chosen:q} --scores-figure {output.scores_figure:q}"
        " --candidates-figure {output.candidates_figure:q} --section {output.section:q} --gpus {resources.gpu}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"
