# Sources of kind selection: judges are trained on real images of other folds, score candidates, and one of each slot is kept.


counts("train_judge", lambda w: PLAN.train(sources.REAL))
counts("score_shard", lambda w: MEASURING.score_shard(images_of(w), w.source, PER_CLASS[CLASS_OF[w.class_name]]))
counts("select_shard", lambda w: MEASURING.select_shard(images_of(w), w.source, PER_CLASS[CLASS_OF[w.class_name]]))


rule train_judge:
    input:
        shards=class_shards(f"{OUT}/real/{{class_name}}/{{shard}}.h5", CLASSES),
    output:
        f"{OUT}/judges/fold-{{fold}}.safetensors",
    log:
        f"{OUT}/logs/train_judge/{{fold}}.log",
    wildcard_constraints:
        fold=r"\d+",
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("train_judge", GPU),
        runtime=minutes_for("train_judge"),
        disk_mb=disk_for("train_judge"),
    params:
        options=lambda w: judge_options(w),
        shards=lambda w, input: listed(input.shards),
        begins_at=begins_at,
        code=provenance.code("scripts.selection_train"),
        benchmark=f"{OUT}/benchmarks/train_judge/{{fold}}.tsv",
    message:
        "Train the judge that has not seen the real images of fold {wildcards.fold}"
    shell:
        "python -m scripts.selection_train --shards {params.shards:q} --weights {params.begins_at:q} --options {params.options:q}"
        " --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule score_shard:
    input:
        images=candidates_of,
        real=lambda w: class_shards(f"{OUT}/real/{{class_name}}/{{shard}}.h5", [CLASS_OF[w.class_name]]),
        judges=expand(f"{OUT}/judges/fold-{{fold}}.safetensors", fold=range(config["selection"]["folds"])),
    output:
        f"{OUT}/scores/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/score_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source="|".join([sources.REAL, *SOURCES]),
    cache: SHARED
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("score_shard", GPU),
        runtime=minutes_for("score_shard"),
        disk_mb=disk_for("score_shard"),
    params:
        options=lambda w: scoring_options(w.source),
        real=lambda w, input: listed(input.real),
        code=provenance.code("scripts.selection_score"),
        benchmark=f"{OUT}/benchmarks/score_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
        shard=lambda w: f"{w.class_name}/{w.shard}",
    message:
        "Score {wildcards.source} images of class {wildcards.class_name}, shard {wildcards.shard} as candidates"
    shell:
        "python -m scripts.selection_score --images {input.images:q} --real {params.real:q} --judges {input.judges:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule select_shard:
    input:
        images=lambda w: candidates_of(w, SOURCES[w.source].settings["of"]),
        pool=lambda w: pool_of(w),
        scores=lambda w: class_shards(
            f"{OUT}/scores/{SOURCES[w.source].settings['of']}/{{class_name}}/{{shard}}.h5", [CLASS_OF[w.class_name]]
        ),
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/select_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("select_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("select_shard"),
        runtime=minutes_for("select_shard"),
    params:
        options=lambda w: choosing_options(w),
        pool=lambda w, input: listed(input.pool),
        scores=lambda w, input: listed(input.scores),
        code=provenance.code("scripts.selection_select"),
        benchmark=f"{OUT}/benchmarks/select_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Keep images of class {wildcards.class_name}, shard {wildcards.shard} for {wildcards.source}"
    shell:
        "python -m scripts.selection_select --images {input.images:q} --pool {params.pool:q} --scores {params.scores:q}"
        " --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
