counts("assemble", lambda w: MEASURING.assemble(w.training_set))
counts("train", lambda w: PLAN.train(w.training_set, PLAN.on_disk(w.training_set)))
counts("evaluate", lambda w: PLAN.evaluate(w.training_set))


rule assemble:
    input:
        lambda w: shards_of(w.training_set),
    output:
        f"{OUT}/training_sets/{{training_set}}.h5",
    log:
        f"{OUT}/logs/assemble/{{training_set}}.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("assemble"),
        runtime=minutes_for("assemble"),
    params:
        shards=lambda w, input: listed(input),
        code=provenance.code("scripts.classifier_assemble"),
        benchmark=f"{OUT}/benchmarks/assemble/{{training_set}}.tsv",
    message:
        "Assemble the training set {wildcards.training_set}"
    shell:
        "python -m scripts.classifier_assemble --shards {params.shards:q} --training-set {wildcards.training_set:q}"
        " --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule train:
    input:
        training_set=f"{OUT}/training_sets/{{training_set}}.h5",
        shards=lambda w: shards_of(w.training_set),
    output:
        f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
    log:
        f"{OUT}/logs/train/{{training_set}}-{{seed}}.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("train", GPU),
        runtime=minutes_for("train"),
        disk_mb=disk_for("train"),
    params:
        options=row_options,
        begins_at=begins_at,
        code=provenance.code("scripts.classifier_train"),
        benchmark=f"{OUT}/benchmarks/train/{{training_set}}-{{seed}}.tsv",
    message:
        "Train a classifier on {wildcards.training_set}, seed {wildcards.seed}"
    shell:
        "python -m scripts.classifier_train --training-set {input.training_set:q}"
        " --weights {params.begins_at:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule evaluate:
    input:
        classifier=f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5",
    log:
        f"{OUT}/logs/evaluate/{{training_set}}-{{seed}}.log",
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("evaluate", GPU),
        runtime=minutes_for("evaluate"),
        disk_mb=disk_for("evaluate"),
    params:
        options=options(config["compute"]),
        code=provenance.code("scripts.classifier_evaluate"),
        benchmark=f"{OUT}/benchmarks/evaluate/{{training_set}}-{{seed}}.tsv",
    message:
        "Evaluate the classifier of {wildcards.training_set}, seed {wildcards.seed} on real test images"
    shell:
        "python -m scripts.classifier_evaluate --classifier {input.classifier:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"
