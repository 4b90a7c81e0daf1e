# The scenes of real images drawn again with a known defect.
if DATASET["name"] == "rendered":

    rule render_shard:
        input:
            f"{OUT}/real/{{class_name}}/{{shard}}.h5",
        output:
            f"{OUT}/samples/{{defect}}/{{class_name}}/{{shard}}.h5",
        log:
            f"{OUT}/logs/render_shard/{{defect}}-{{class_name}}-{{shard}}.log",
        benchmark:
            f"{OUT}/benchmarks/render_shard/{{defect}}-{{class_name}}-{{shard}}.tsv"
        wildcard_constraints:
            defect="|".join(catalog.DEFECTS),
        conda:
            "../../envs/realgap.yaml"
        resources:
            mem_mb=2000,
            runtime=20,
        params:
            options=lambda w: options(defect=w.defect, image_size=DATASET["image_size"]),
            code=provenance.code("scripts.render"),
        message:
            "Render class {wildcards.class_name}, shard {wildcards.shard} with a defect: {wildcards.defect}"
        shell:
            "python -m scripts.render --images {input:q} --options {params.options:q} --out {output:q} > {log:q} 2>&1"
