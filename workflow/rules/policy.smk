# Sources of kind policy: each class takes one of several sources, as rounds on validation images say.


counts("judge_policy", policy_work)
counts("follow_shard", lambda w: MEASURING.read(made_of(w)))


rule judge_policy:
    input:
        real=class_shards(f"{OUT}/real/{{class_name}}/{{shard}}.h5", CLASSES),
        made=lambda w: [shard for option in policy_of(w)["among"] for shard in source_shards(option)],
        validation=f"{OUT}/validation.h5",
        before=lambda w: [f"{OUT}/policies/{w.source}/round-{int(w.round) - 1}.csv"] if int(w.round) > 1 else [],
    output:
        f"{OUT}/policies/{{source}}/round-{{round}}.csv",
    log:
        f"{OUT}/logs/judge_policy/{{source}}-{{round}}.log",
    wildcard_constraints:
        source=made_by("follow_shard"),
        round=r"\d+",
    conda:
        "../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("judge_policy", GPU),
        runtime=minutes_for("judge_policy"),
        disk_mb=disk_for("judge_policy"),
    params:
        options=policy_options,
        real=lambda w, input: listed(input.real),
        made=lambda w, input: listed(input.made),
        begins_at=begins_at,
        code=provenance.code("scripts.policy_judge"),
        benchmark=f"{OUT}/benchmarks/judge_policy/{{source}}-{{round}}.tsv",
    message:
        "Judge what each class takes for {wildcards.source}, round {wildcards.round}"
    shell:
        "python -m scripts.policy_judge --real {params.real:q} --made {params.made:q} --validation {input.validation:q}"
        " --before {input.before:q} --weights {params.begins_at:q} --options {params.options:q} --out {output:q}"
        " --gpus {resources.gpu} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule follow_shard:
    input:
        choice=lambda w: f"{OUT}/policies/{w.source}/round-{policy_of(w)['rounds']}.csv",
        made=lambda w: [f"{OUT}/samples/{option}/{w.class_name}/{w.shard}.h5" for option in policy_of(w)["among"]],
    output:
        f"{OUT}/samples/{{source}}/{{class_name}}/{{shard}}.h5",
    log:
        f"{OUT}/logs/follow_shard/{{source}}-{{class_name}}-{{shard}}.log",
    wildcard_constraints:
        source=made_by("follow_shard"),
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("follow_shard"),
        runtime=minutes_for("follow_shard"),
    params:
        options=lambda w: options(source=w.source, options=policy_of(w)["among"]),
        code=provenance.code("scripts.policy_follow"),
        benchmark=f"{OUT}/benchmarks/follow_shard/{{source}}-{{class_name}}-{{shard}}.tsv",
    message:
        "Take images of class {wildcards.class_name}, shard {wildcards.shard} for {wildcards.source}"
    shell:
        "python -m scripts.policy_follow --choice {input.choice:q} --made {input.made:q} --options {params.options:q}"
        " --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
