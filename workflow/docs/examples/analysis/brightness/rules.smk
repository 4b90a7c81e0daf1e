counts("measure_brightness", lambda w: MEASURING.tables())


rule measure_brightness:
    input:
        shards=[shard for source in SHOWN for shard in source_shards(source)],
    output:
        table=tabled("brightness/table.csv"),
        section=f"{OUT}/sections/brightness.json",
    log:
        f"{OUT}/logs/measure_brightness.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("measure_brightness"),
        runtime=minutes_for("measure_brightness"),
    params:
        options=options(config["brightness"], sources=SHOWN, seed=config["seed"]),
        shards=lambda w, input: listed(input.shards),
        code=provenance.code("scripts.brightness_measure"),
        benchmark=f"{OUT}/benchmarks/measure_brightness.tsv",
    message:
        "Measure how bright the images of each source are"
    shell:
        "python -m scripts.brightness_measure --shards {params.shards:q} --options {params.options:q}"
        " --table {output.table:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
