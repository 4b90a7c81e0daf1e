# Files are named by the number of real images of each class and of the draw: learning_curves/<source>/<per_class>-<draw>.h5.
LEARNING_CURVES = ANALYSES["learning_curves"]
CURVES = LEARNING_CURVES.rows(config)
DRAWS = {"per_class": LEARNING_CURVES.counts(config), "draw": LEARNING_CURVES.draws(config)}


counts("sample_draw", lambda w: PLAN.sample_shard(int(w.per_class) * len(CLASSES), SOURCES[w.source]))
counts("judge_draw", lambda w: PLAN.train(sources.REAL))
counts(
    "select_draw",
    lambda w: MEASURING.score_shard(
        int(w.per_class) * len(CLASSES), SOURCES[w.source].settings.get("of", w.source), int(w.per_class)
    ),
)
counts("train_on_draw", lambda w: MEASURING.train_and_predict(w.training_set))
counts("compare_learning_curves", lambda w: MEASURING.tables())


wildcard_constraints:
    per_class=r"\d+",
    draw=r"\d+",


def of_draw(wildcards):
    """The image shards of each source of a training set, and of a source that depends on the draw its own."""
    parts = sources.parts_of(wildcards.training_set)
    return [file for part in parts for file in draw_shards(part, wildcards)]


def draw_shards(source, wildcards):
    """Those of one source."""
    if source == sources.REAL or not LEARNING_CURVES.of_a_draw(SOURCES[source]):
        return source_shards(source)
    return [f"{OUT}/learning_curves/samples/{source}/{wildcards.per_class}-{wildcards.draw}.h5"]


def judges_of_draw(wildcards):
    folds = range(config["selection"]["folds"])
    return [f"{OUT}/learning_curves/judges/{wildcards.per_class}-{wildcards.draw}-{fold}.safetensors" for fold in folds]


def draw_embeddings(wildcards):
    return class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", CLASSES)


def draw_latents(wildcards):
    begins = SOURCES[wildcards.source].begins_at_latents
    return class_shards(f"{OUT}/moments/{{class_name}}/{{shard}}.h5", CLASSES) if begins else []


rule sample_draw:
    input:
        images=source_shards(sources.REAL),
        embeddings=draw_embeddings,
        moments=draw_latents,
    output:
        f"{OUT}/learning_curves/samples/{{source}}/{{per_class}}-{{draw}}.h5",
    log:
        f"{OUT}/logs/sample_draw/{{source}}-{{per_class}}-{{draw}}.log",
    wildcard_constraints:
        source=made_by("sample_shard"),
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("sample_draw", GPU),
        runtime=minutes_for("sample_draw"),
        disk_mb=disk_for("sample_draw"),
    params:
        options=lambda w: draw_options(w),
        images=lambda w, input: listed(input.images),
        embeddings=lambda w, input: listed(input.embeddings),
        moments=lambda w, input: listed(input.get("moments", [])),
        code=provenance.code("scripts.learning_curves_sample"),
        base_model=base_model,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/sample_draw/{{source}}-{{per_class}}-{{draw}}.tsv",
    message:
        "Sample {wildcards.source} images of {wildcards.per_class} real ones of each class, draw {wildcards.draw}"
    shell:
        "python -m scripts.learning_curves_sample --images {params.images:q} --base-model {params.base_model:q}/model_index.json"
        " --embeddings {params.embeddings:q} --moments {params.moments:q} --options {params.options:q} --out {output:q}"
        " --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


def draw_options(wildcards):
    chosen = json.loads(sampling_options(Wildcards(fromdict={"source": wildcards.source, "class_name": None})))
    return options(chosen, per_class=int(wildcards.per_class), draw=int(wildcards.draw))


rule judge_draw:
    input:
        real=source_shards(sources.REAL),
    output:
        f"{OUT}/learning_curves/judges/{{per_class}}-{{draw}}-{{fold}}.safetensors",
    log:
        f"{OUT}/logs/judge_draw/{{per_class}}-{{draw}}-{{fold}}.log",
    wildcard_constraints:
        fold=r"\d+",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("judge_draw", GPU),
        runtime=minutes_for("judge_draw"),
        disk_mb=disk_for("judge_draw"),
    params:
        options=lambda w: options(json.loads(judge_options(w)), per_class=int(w.per_class), draw=int(w.draw)),
        real=lambda w, input: listed(input.real),
        begins_at=begins_at,
        code=provenance.code("scripts.learning_curves_judge"),
        benchmark=f"{OUT}/benchmarks/judge_draw/{{per_class}}-{{draw}}-{{fold}}.tsv",
    message:
        "Train a judge on {wildcards.per_class} real images of each class, draw {wildcards.draw}, without fold {wildcards.fold}"
    shell:
        "python -m scripts.learning_curves_judge --shards {params.real:q} --weights {params.begins_at:q} --options {params.options:q} --out {output:q}"
        " --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule select_draw:
    input:
        real=source_shards(sources.REAL),
        images=lambda w: draw_shards(SOURCES[w.source].settings["of"], w),
        judges=judges_of_draw,
    output:
        f"{OUT}/learning_curves/samples/{{source}}/{{per_class}}-{{draw}}.h5",
    log:
        f"{OUT}/logs/select_draw/{{source}}-{{per_class}}-{{draw}}.log",
    wildcard_constraints:
        source=made_by("select_shard"),
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("select_draw", GPU),
        runtime=minutes_for("select_draw"),
        disk_mb=disk_for("select_draw"),
    params:
        options=lambda w: options(
            json.loads(scoring_options(SOURCES[w.source].settings.get("of", w.source))),
            json.loads(choosing_options(w)),
            per_class=int(w.per_class),
            draw=int(w.draw),
        ),
        real=lambda w, input: listed(input.real),
        images=lambda w, input: listed(input.images),
        code=provenance.code("scripts.learning_curves_select"),
        benchmark=f"{OUT}/benchmarks/select_draw/{{source}}-{{per_class}}-{{draw}}.tsv",
    message:
        "Keep images for {wildcards.source} of {wildcards.per_class} real ones of each class, draw {wildcards.draw}"
    shell:
        "python -m scripts.learning_curves_select --real {params.real:q} --images {params.images:q} --judges {input.judges:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule train_on_draw:
    input:
        real=source_shards(sources.REAL),
        shards=of_draw,
        test=f"{OUT}/{config['learning_curves']['evaluate_on']}.h5",
    output:
        f"{OUT}/learning_curves/predictions/{{training_set}}/{{per_class}}-{{draw}}.h5",
    log:
        f"{OUT}/logs/train_on_draw/{{training_set}}-{{per_class}}-{{draw}}.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("train_on_draw", GPU),
        runtime=minutes_for("train_on_draw"),
        disk_mb=disk_for("train_on_draw"),
    params:
        # a draw has a classifier seed of its own
        options=lambda w: options(
            json.loads(training_options(Wildcards(fromdict={"training_set": w.training_set, "seed": w.draw}))),
            per_class=int(w.per_class),
            draw=int(w.draw),
            draw_seed=config["seed"],
        ),
        real=lambda w, input: listed(input.real),
        shards=lambda w, input: listed(input.shards),
        begins_at=begins_at,
        code=provenance.code("scripts.learning_curves_train"),
        benchmark=f"{OUT}/benchmarks/train_on_draw/{{training_set}}-{{per_class}}-{{draw}}.tsv",
    message:
        "Train on {wildcards.training_set} with {wildcards.per_class} real images of each class, draw {wildcards.draw}"
    shell:
        "python -m scripts.learning_curves_train --real {params.real:q} --shards {params.shards:q} --test {input.test:q}"
        " --training-set {wildcards.training_set:q} --weights {params.begins_at:q} --options {params.options:q} --out {output:q}"
        " --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule compare_learning_curves:
    input:
        expand(f"{OUT}/learning_curves/predictions/{{name}}/{{per_class}}-{{draw}}.h5", name=CURVES, **DRAWS),
    output:
        table=tabled("learning_curves/table.csv"),
        worth=tabled("learning_curves/worth.csv"),
        accuracies=tabled("learning_curves/accuracies.csv"),
        figure=drawn("learning_curves"),
        section=f"{OUT}/sections/learning_curves.json",
    log:
        f"{OUT}/logs/compare_learning_curves.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("compare_learning_curves"),
        runtime=minutes_for("compare_learning_curves"),
    params:
        options=options(
            per_image={
                name: sum(samples_per_image(part) for part in sources.parts_of(name) if part != sources.REAL)
                for name in CURVES
            },
            pool=min(PER_CLASS.values()),
            margin=config["margin"],
            evaluate_on=config["learning_curves"]["evaluate_on"],
            picks=controls.picked(config, CURVES),
        ),
        predictions=lambda w, input: listed(input),
        code=provenance.code("scripts.learning_curves_compare"),
        benchmark=f"{OUT}/benchmarks/compare_learning_curves.tsv",
    message:
        "Compare accuracy across numbers of real images"
    shell:
        "python -m scripts.learning_curves_compare --predictions {params.predictions:q} --options {params.options:q}"
        " --table {output.table:q} --worth {output.worth:q} --accuracies {output.accuracies:q} --figure {output.figure:q}"
        " --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
