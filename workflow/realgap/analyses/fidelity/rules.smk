counts("measure_fidelity", lambda w: MEASURING.measure_fidelity())


rule measure_fidelity:
    input:
        test=f"{OUT}/features/test.h5",
        train=f"{OUT}/features/real.h5",
        generated=expand(f"{OUT}/features/{{image_set}}.h5", image_set=CONTROLLED),
    output:
        table=tabled("fidelity/table.csv"),
        measurements=tabled("fidelity/measurements.csv"),
        subsets=tabled("fidelity/subsets.csv"),
        figure=drawn("fidelity"),
        classes=drawn("fidelity_classes"),
        section=f"{OUT}/sections/fidelity.json",
    log:
        f"{OUT}/logs/measure_fidelity.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("measure_fidelity"),
        runtime=minutes_for("measure_fidelity"),
    params:
        options=options(config["fidelity"], sources=CONTROLLED, seed=config["seed"]),
        code=provenance.code("scripts.fidelity_measure"),
        benchmark=f"{OUT}/benchmarks/measure_fidelity.tsv",
    message:
        "Measure fidelity and coverage of the generated images"
    shell:
        "python -m scripts.fidelity_measure --test {input.test:q} --train {input.train:q}"
        " --generated {input.generated:q} --table {output.table:q}"
        " --measurements {output.measurements:q} --subsets {output.subsets:q} --figure {output.figure:q}"
        " --classes {output.classes:q} --section {output.section:q} --options {params.options:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
