from snakemake.iocontainers import Wildcards


def verification_plan():
    """Every artefact of the study, its path below the study's folder, and the options its rule gives it now."""
    plan, names = {}, {}
    ends = [workflow.get_rule(name) for name in ("tabulate", "plot", "account", "report")]
    ends += [one for one in workflow.rules if any(map(one.is_producer, section_files()))]
    for path in [*artefacts(), *(path for one in ends for path in one.output)]:
        producer = next(one for one in workflow.rules if one.is_producer(path))
        made = getattr(producer.params, "options", "null")
        if callable(made):
            made = made(Wildcards(fromdict=producer.get_wildcards(path)))
        name = path.removeprefix(f"{OUT}/")
        plan[name], names[name] = json.loads(made), producer.name
    return json.dumps({"folder": OUT, "options": plan, "rules": names})


# Without inputs: nothing is made for it. Without outputs: it runs whenever it is asked for.
rule verify:
    log:
        f"{OUT}/verify.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        plan=lambda w: filed(verification_plan()),
        code=provenance.code("scripts.verify"),
    message:
        "Verify every finished artefact of the study"
    shell:
        "python -m scripts.verify --plan {params.plan:q} 2>&1 | tee {log:q}"
