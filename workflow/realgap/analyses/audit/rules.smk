AUDITED = ANALYSES["audit"].attacked(config)
RELEASED = ANALYSES["audit"].released(config)
REFERENCE_RUNS = config["audit"]["reference_runs"]


counts("refer_audit", lambda w: MEASURING.refer_audit(w.row))
counts("plant_audit", lambda w: plan.Work(host_s=60 + 1e-2 * config["audit"]["canaries"]))
counts("compare_audit", lambda w: MEASURING.tables())


wildcard_constraints:
    row="|".join(map(re.escape, AUDITED)),
    run=r"\d+",


def audited_mechanism(row):
    """What a release is made with, or nothing for what is none."""
    return json.loads(release_options(Wildcards(fromdict={"source": row}))) if row in RELEASED else None


def audited_sampling(row):
    if row == sources.REAL:
        return None
    if row in RELEASED:
        return json.loads(release_draws(row))
    return json.loads(sampling_options(Wildcards(fromdict={"source": row, "class_name": None})))


def reference_options(wildcards):
    return options(
        source=wildcards.row,
        run=int(wildcards.run),
        seed=config["seed"],
        classes=LABELS,
        training=json.loads(
            training_options(Wildcards(fromdict={"training_set": wildcards.row, "seed": wildcards.run}))
        ),
        sampling=audited_sampling(wildcards.row),
        mechanism=audited_mechanism(wildcards.row),
    )


def embeddings_of(wildcards):
    real = wildcards.get("row") == sources.REAL
    return [] if real else class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", CLASSES)


rule refer_audit:
    input:
        real=source_shards(sources.REAL),
        test=f"{OUT}/test.h5",
        embeddings=embeddings_of,
    output:
        f"{OUT}/audit/runs/{{row}}/{{run}}.h5",
    log:
        f"{OUT}/logs/refer_audit/{{row}}-{{run}}.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        gpu=GPU,
        mem_mb=memory_for("refer_audit", GPU),
        runtime=minutes_for("refer_audit"),
        disk_mb=disk_for("refer_audit"),
    params:
        options=reference_options,
        real=lambda w, input: listed(input.real),
        embeddings=lambda w, input: listed(input.embeddings),
        basis=lambda w, input: listed(public_embeddings(w.row) if w.row in RELEASED else []),
        code=provenance.code("scripts.audit_refer"),
        base_model=base_model,
        begins_at=begins_at,
        templates=templates,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/refer_audit/{{row}}-{{run}}.tsv",
    message:
        "Run the pipeline of {wildcards.row} on half of the real images, run {wildcards.run}"
    shell:
        "python -m scripts.audit_refer --real {params.real:q} --test {input.test:q} --embeddings {params.embeddings:q}"
        " --basis {params.basis:q} --base-model {params.base_model:q}/model_index.json --templates {params.templates:q}"
        " --weights {params.begins_at:q} --options {params.options:q} --out {output:q} --gpus {resources.gpu}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule plant_audit:
    input:
        embeddings=class_shards(f"{OUT}/embeddings/{{class_name}}/{{shard}}.h5", CLASSES),
    output:
        f"{OUT}/audit/planted/{{row}}.csv",
    log:
        f"{OUT}/logs/plant_audit/{{row}}.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("plant_audit"),
        runtime=minutes_for("plant_audit"),
    params:
        options=lambda w: options(
            source=w.row,
            seed=config["seed"],
            canaries=config["audit"]["canaries"],
            # that any of them is called refuted, though it holds: 5 % in all
            confidence=1 - 0.05 / len(RELEASED),
            mechanism=audited_mechanism(w.row),
        ),
        embeddings=lambda w, input: listed(input.embeddings),
        basis=lambda w, input: listed(public_embeddings(w.row)),
        code=provenance.code("scripts.audit_plant"),
        base_model=base_model,
        templates=templates,
        weights=BASE_MODEL_FINGERPRINT,
        benchmark=f"{OUT}/benchmarks/plant_audit/{{row}}.tsv",
    message:
        "Plant rows in a release of {wildcards.row} and guess which were in"
    shell:
        "python -m scripts.audit_plant --embeddings {params.embeddings:q} --basis {params.basis:q}"
        " --base-model {params.base_model:q}/model_index.json --templates {params.templates:q}"
        " --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule compare_audit:
    input:
        runs=expand(f"{OUT}/audit/runs/{{row}}/{{run}}.h5", row=AUDITED, run=range(REFERENCE_RUNS)),
        planted=expand(f"{OUT}/audit/planted/{{row}}.csv", row=RELEASED),
        verdicts=f"{OUT}/verdicts.csv",
    output:
        attacks=tabled("audit/attacks.csv"),
        claims=tabled("audit/claims.csv"),
        roc=drawn("audit"),
        accuracy=drawn("audit_accuracy"),
        section=f"{OUT}/sections/audit.json",
    log:
        f"{OUT}/logs/compare_audit.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("compare_audit"),
        runtime=minutes_for("compare_audit"),
    params:
        options=options(
            margin=config["margin"],
            epsilons={row: SOURCES[row].settings["epsilon"] for row in RELEASED},
        ),
        runs=lambda w, input: listed(input.runs),
        code=provenance.code("scripts.audit_compare"),
        benchmark=f"{OUT}/benchmarks/compare_audit.tsv",
    message:
        "Attack each row and set what is found beside what is claimed"
    shell:
        "python -m scripts.audit_compare --runs {params.runs:q} --planted {input.planted:q} --verdicts {input.verdicts:q}"
        " --options {params.options:q} --attacks {output.attacks:q} --claims {output.claims:q} --roc {output.roc:q}"
        " --accuracy {output.accuracy:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
