counts("detect", None)

if "detection" in config["analyses"]:
    SECTIONS.append("detection")


rule detect:
    input:
        test_features=f"{OUT}/features/test.h5",
        test=f"{OUT}/test.h5",
        features=expand(f"{OUT}/features/{{image_set}}.h5", image_set=["real", *CONTROLLED]),
        shards=shards_of_sets(["real", *CONTROLLED]),
    output:
        table=report(f"{OUT}/detection/table.csv", caption="../report/detection_table.rst", category="Detection"),
        figure=report(
            multiext(f"{OUT}/figures/detection", ".png", ".svg"),
            caption="../report/detection.rst",
            category="Detection",
        ),
        section=f"{OUT}/sections/detection.json",
    log:
        f"{OUT}/logs/detect.log",
    benchmark:
        f"{OUT}/benchmarks/detect.tsv"
    conda:
        "../../envs/realgap.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=240,
    params:
        options=options(
            config["detection"],
            sources=["real", *CONTROLLED],
            seed=config["seed"],
            device=config["compute"]["device"],
        ),
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.detect"),
    message:
        "Tell generated images from real ones"
    shell:
        "python -m scripts.detect --test-features {input.test_features:q} --test {input.test:q}"
        " --features {input.features:q} --shards {params.shards:q} --table {output.table:q} --figure {output.figure:q}"
        " --section {output.section:q} --options {params.options:q} > {log:q} 2>&1"
