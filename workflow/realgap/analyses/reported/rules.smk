counts("compare_reported", lambda w: MEASURING.tables())


rule compare_reported:
    input:
        reported="resources/reported/cifar10.csv",
        accuracies=f"{OUT}/accuracies.csv",
        verdicts=f"{OUT}/verdicts.csv",
        others=[f"{folder}/accuracies.csv" for folder in PUBLISHED if Path(folder).name != config["study"]],
    output:
        table=tabled("reported/table.csv"),
        section=f"{OUT}/sections/reported.json",
    log:
        f"{OUT}/logs/compare_reported.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("compare_reported"),
        runtime=minutes_for("compare_reported"),
    params:
        margin=config["margin"],
        studies=lambda w, input: [str(Path(path).parent) for path in (input.accuracies, *input.others)],
        code=provenance.code("scripts.reported_compare"),
        benchmark=f"{OUT}/benchmarks/compare_reported.tsv",
    message:
        "Set the study beside the reported accuracies and the published studies"
    shell:
        "python -m scripts.reported_compare --reported {input.reported:q} --studies {params.studies:q} --margin {params.margin}"
        " --table {output.table:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
