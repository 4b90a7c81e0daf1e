counts("measure_fidelity", None)

if "fidelity" in config["analyses"]:
    SECTIONS.append("fidelity")


rule measure_fidelity:
    input:
        test=f"{OUT}/features/test.h5",
        train=f"{OUT}/features/real.h5",
        generated=expand(f"{OUT}/features/{{image_set}}.h5", image_set=CONTROLLED),
        real=first_shards(),
    output:
        table=report(f"{OUT}/fidelity/table.csv", caption="../report/fidelity_table.rst", category="Fidelity"),
        measurements=report(
            f"{OUT}/fidelity/measurements.csv", caption="../report/fidelity_measurements.rst", category="Fidelity"
        ),
        subsets=report(f"{OUT}/fidelity/subsets.csv", caption="../report/fidelity_subsets.rst", category="Fidelity"),
        figure=report(
            multiext(f"{OUT}/figures/fidelity", ".png", ".svg"),
            caption="../report/fidelity.rst",
            category="Fidelity",
        ),
        classes=report(
            multiext(f"{OUT}/figures/fidelity_classes", ".png", ".svg"),
            caption="../report/fidelity_classes.rst",
            category="Fidelity",
        ),
        section=f"{OUT}/sections/fidelity.json",
    log:
        f"{OUT}/logs/measure_fidelity.log",
    benchmark:
        f"{OUT}/benchmarks/measure_fidelity.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        options=options(config["fidelity"], sources=CONTROLLED, seed=config["seed"]),
        code=provenance.code("scripts.measure_fidelity"),
    message:
        "Measure fidelity and coverage of the generated images"
    shell:
        "python -m scripts.measure_fidelity --test {input.test:q} --train {input.train:q}"
        " --generated {input.generated:q} --real {input.real:q} --table {output.table:q}"
        " --measurements {output.measurements:q} --subsets {output.subsets:q} --figure {output.figure:q}"
        " --classes {output.classes:q} --section {output.section:q} --options {params.options:q} > {log:q} 2>&1"
