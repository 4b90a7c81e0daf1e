counts("assemble", None)
counts("train", lambda w: PLAN.train())
counts("evaluate", lambda w: PLAN.evaluate())


rule assemble:
    input:
        lambda w: shards_of(w.training_set),
    output:
        f"{OUT}/training_sets/{{training_set}}.h5",
    log:
        f"{OUT}/logs/assemble/{{training_set}}.log",
    benchmark:
        f"{OUT}/benchmarks/assemble/{{training_set}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        shards=lambda w, input: listed(input),
        code=provenance.code("scripts.classifier_assemble"),
    message:
        "Assemble the training set {wildcards.training_set}"
    shell:
        "python -m scripts.classifier_assemble --shards {params.shards:q} --training-set {wildcards.training_set:q}"
        " --out {output:q} > {log:q} 2>&1"


rule train:
    input:
        training_set=f"{OUT}/training_sets/{{training_set}}.h5",
        shards=lambda w: shards_of(w.training_set),
    output:
        f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
    log:
        f"{OUT}/logs/train/{{training_set}}-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/train/{{training_set}}-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("train"),
        runtime=minutes_for("train"),
        disk_mb=disk_for("train"),
    params:
        options=training_options,
        code=provenance.code("scripts.classifier_train"),
    message:
        "Train a classifier on {wildcards.training_set}, seed {wildcards.seed}"
    shell:
        "python -m scripts.classifier_train --training-set {input.training_set:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} > {log:q} 2>&1"


rule evaluate:
    input:
        classifier=f"{OUT}/classifiers/{{training_set}}/seed-{{seed}}.safetensors",
        test=f"{OUT}/test.h5",
    output:
        f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5",
    log:
        f"{OUT}/logs/evaluate/{{training_set}}-{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/evaluate/{{training_set}}-{{seed}}.tsv"
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("evaluate"),
        runtime=minutes_for("evaluate"),
        disk_mb=disk_for("evaluate"),
    params:
        options=options(config["compute"]),
        code=provenance.code("scripts.classifier_evaluate"),
    message:
        "Evaluate the classifier of {wildcards.training_set}, seed {wildcards.seed} on real test images"
    shell:
        "python -m scripts.classifier_evaluate --classifier {input.classifier:q} --test {input.test:q}"
        " --options {params.options:q} --out {output:q} --gpus {resources.gpu} > {log:q} 2>&1"
