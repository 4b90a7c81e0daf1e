counts("diagnose", None)

if "mistakes" in config["analyses"]:
    SECTIONS.append("mistakes")


rule diagnose:
    input:
        predictions=of_every_classifier(f"{OUT}/predictions/{{training_set}}/seed-{{seed}}.h5"),
        test=f"{OUT}/features/test.h5",
        train=f"{OUT}/features/real.h5",
        real=first_shards(),
    output:
        table=report(f"{OUT}/mistakes/table.csv", caption="../report/mistakes_table.rst", category="Mistakes"),
        images=report(f"{OUT}/mistakes/images.csv", caption="../report/observations.rst", category="Mistakes"),
        classes=report(f"{OUT}/mistakes/classes.csv", caption="../report/mistakes_classes.rst", category="Mistakes"),
        confusion=report(
            f"{OUT}/mistakes/confusion.csv", caption="../report/mistakes_confusion.rst", category="Mistakes"
        ),
        edge=report(f"{OUT}/mistakes/edge.csv", caption="../report/mistakes_edge.rst", category="Mistakes"),
        reliability=report(
            f"{OUT}/mistakes/reliability.csv", caption="../report/mistakes_calibration.rst", category="Mistakes"
        ),
        class_figure=report(
            multiext(f"{OUT}/figures/mistakes_classes", ".png", ".svg"),
            caption="../report/mistakes_classes.rst",
            category="Mistakes",
        ),
        confusion_figure=report(
            multiext(f"{OUT}/figures/mistakes_confusion", ".png", ".svg"),
            caption="../report/mistakes_confusion.rst",
            category="Mistakes",
        ),
        edge_figure=report(
            multiext(f"{OUT}/figures/mistakes_edge", ".png", ".svg"),
            caption="../report/mistakes_edge.rst",
            category="Mistakes",
        ),
        calibration_figure=report(
            multiext(f"{OUT}/figures/mistakes_calibration", ".png", ".svg"),
            caption="../report/mistakes_calibration.rst",
            category="Mistakes",
        ),
        section=f"{OUT}/sections/mistakes.json",
    log:
        f"{OUT}/logs/diagnose.log",
    benchmark:
        f"{OUT}/benchmarks/diagnose.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        options=options(config["mistakes"]),
        code=provenance.code("scripts.diagnose"),
    message:
        "Find where the classifiers fail"
    shell:
        "python -m scripts.diagnose --predictions {input.predictions:q} --test {input.test:q} --train {input.train:q}"
        " --real {input.real:q} --table {output.table:q} --images {output.images:q} --classes {output.classes:q}"
        " --confusion {output.confusion:q} --edge {output.edge:q} --reliability {output.reliability:q}"
        " --class-figure {output.class_figure:q} --confusion-figure {output.confusion_figure:q}"
        " --edge-figure {output.edge_figure:q} --calibration-figure {output.calibration_figure:q}"
        " --section {output.section:q} --options {params.options:q} > {log:q} 2>&1"
