counts("diagnose_errors", lambda w: MEASURING.diagnose_errors())


rule diagnose_errors:
    input:
        predictions=of_own_classifier(f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5"),
        test=f"{OUT}/features/test.h5",
        train=f"{OUT}/features/real.h5",
    output:
        table=tabled("errors/table.csv"),
        images=tabled("errors/images.csv"),
        classes=tabled("errors/classes.csv"),
        confusion=tabled("errors/confusion.csv"),
        edge=tabled("errors/edge.csv"),
        reliability=tabled("errors/reliability.csv"),
        class_figure=drawn("errors_classes"),
        confusion_figure=drawn("errors_confusion"),
        edge_figure=drawn("errors_edge"),
        calibration_figure=drawn("errors_calibration"),
        section=f"{OUT}/sections/errors.json",
    log:
        f"{OUT}/logs/diagnose_errors.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("diagnose_errors"),
        runtime=minutes_for("diagnose_errors"),
    params:
        options=options(config["errors"], margin=config["margin"]),
        code=provenance.code("scripts.errors_diagnose"),
        benchmark=f"{OUT}/benchmarks/diagnose_errors.tsv",
    message:
        "Find where the classifiers fail"
    shell:
        "python -m scripts.errors_diagnose --predictions {input.predictions:q} --test {input.test:q} --train {input.train:q}"
        " --table {output.table:q} --images {output.images:q} --classes {output.classes:q}"
        " --confusion {output.confusion:q} --edge {output.edge:q} --reliability {output.reliability:q}"
        " --class-figure {output.class_figure:q} --confusion-figure {output.confusion_figure:q}"
        " --edge-figure {output.edge_figure:q} --calibration-figure {output.calibration_figure:q}"
        " --section {output.section:q} --options {params.options:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
