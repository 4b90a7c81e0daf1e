counts("annotate_shadows", lambda w: MEASURING.render(PLAN.real))
counts("measure_geometry", lambda w: MEASURING.measure_geometry(geometry_px()))
counts("judge_shadows", lambda w: MEASURING.tables())
counts("draw_overlays", lambda w: MEASURING.draw_overlays(geometry_px()))
counts("judge_geometry", lambda w: MEASURING.judge_geometry(geometry_px()))

# Do the lines bend and do the shadows lie? Real images, their controls and what was generated of them, side by side.

# the VAE's own doing is a control of whatever came out of it
THROUGH_VAE = (
    ["vae_only"] if "vae_only" in SOURCES and any(SOURCES[name].rule in FULL_SIZE for name in GENERATED) else []
)
MEASURED = ["real", *THROUGH_VAE, *(source for source in SHOWN if source not in ("real", "vae_only"))]
LINES_SHOW = geometry_px() >= 128
SHADOW_PAIRS = config["geometry"]["shadow_pairs"]
# what finds lines: a learned detector counts by its content, wherever it lies
DETECTOR = config["geometry"]["detector"]
DETECTOR = DETECTOR if DETECTOR == "lsd" else fingerprints.of_weights(DETECTOR)


if DATASET["name"] == "rendered":

    rule annotate_shadows:
        input:
            class_shards(f"{OUT}/real/{{class_name}}/{{shard}}.h5", CLASSES),
        output:
            f"{OUT}/shadow_pairs.csv",
        log:
            f"{OUT}/logs/annotate_shadows.log",
        conda:
            "../../../../envs/realgap.yaml"
        resources:
            mem_mb=memory_for("annotate_shadows"),
            runtime=minutes_for("annotate_shadows"),
        params:
            options=options(
                defects={
                    name: SOURCES[name].settings["defect"] for name in GENERATED if SOURCES[name].kind == "rendered"
                },
                image_size=DATASET["image_size"],
            ),
            code=provenance.code("scripts.geometry_annotate_shadows"),
            benchmark=f"{OUT}/benchmarks/annotate_shadows.tsv",
        message:
            "Write down which shadow is cast by what in the rendered scenes"
        shell:
            "python -m scripts.geometry_annotate_shadows --images {input:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule measure_geometry:
    input:
        shards=lambda w: geometry_shards(w.measured),
    output:
        f"{OUT}/geometry/{{measured}}.h5",
    log:
        f"{OUT}/logs/measure_geometry/{{measured}}.log",
    wildcard_constraints:
        measured="|".join(MEASURED),
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("measure_geometry"),
        runtime=minutes_for("measure_geometry"),
    params:
        options=lambda w: options(
            source=w.measured,
            images_per_class=config["geometry"]["images_per_class"],
            detector=DETECTOR,
            controls=config["geometry"]["controls"] if w.measured == "real" else {},
            seed=config["seed"],
        ),
        detector=detector,
        code=provenance.code("scripts.geometry_measure"),
        benchmark=f"{OUT}/benchmarks/measure_geometry/{{measured}}.tsv",
    message:
        "Measure the geometry of {wildcards.measured} images"
    shell:
        "python -m scripts.geometry_measure --shards {input.shards:q} --detector {params.detector:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


if SHADOW_PAIRS:

    rule judge_shadows:
        input:
            SHADOW_PAIRS,
        output:
            verdicts=tabled("geometry/shadow_verdicts.csv"),
            table=tabled("geometry/shadows.csv"),
        log:
            f"{OUT}/logs/judge_shadows.log",
        conda:
            "../../../../envs/realgap.yaml"
        resources:
            mem_mb=memory_for("judge_shadows"),
            runtime=minutes_for("judge_shadows"),
        params:
            options=options(tolerance_deg=config["geometry"]["shadow_tolerance_deg"]),
            code=provenance.code("scripts.geometry_judge_shadows"),
            benchmark=f"{OUT}/benchmarks/judge_shadows.tsv",
        message:
            "Judge whether shadows agree on one light"
        shell:
            "python -m scripts.geometry_judge_shadows --pairs {input:q} --options {params.options:q}"
            " --verdicts {output.verdicts:q} --table {output.table:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


if LINES_SHOW:

    rule draw_overlays:
        input:
            measured=f"{OUT}/geometry/real.h5",
            shards=[shard for source in MEASURED for shard in geometry_shards(source)],
        output:
            drawn("geometry_overlays"),
        log:
            f"{OUT}/logs/draw_overlays.log",
        conda:
            "../../../../envs/realgap.yaml"
        resources:
            mem_mb=memory_for("draw_overlays"),
            runtime=minutes_for("draw_overlays"),
        params:
            options=options(
                sources=MEASURED,
                detector=DETECTOR,
                controls=config["geometry"]["controls"],
                seed=config["seed"],
            ),
            detector=detector,
            code=provenance.code("scripts.geometry_draw_overlays"),
            benchmark=f"{OUT}/benchmarks/draw_overlays.tsv",
        message:
            "Draw lines, vanishing points and horizon over typical images"
        shell:
            "python -m scripts.geometry_draw_overlays --measured {input.measured:q} --shards {input.shards:q}"
            " --detector {params.detector:q} --options {params.options:q} --out {output:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule judge_geometry:
    input:
        measured=expand(f"{OUT}/geometry/{{measured}}.h5", measured=MEASURED),
        shadows=[f"{OUT}/geometry/shadows.csv"] if SHADOW_PAIRS else [],
        overlays=multiext(f"{OUT}/figures/geometry_overlays", ".png", ".svg") if LINES_SHOW else [],
    output:
        images=tabled("geometry/images.csv"),
        measures=tabled("geometry/measures.csv"),
        cues=tabled("geometry/cues.csv"),
        overviews=[tabled(f"geometry/{of}_overview.csv") for of in ("measures", "cues")],
        measures_figure=drawn("geometry_measures"),
        cues_figure=drawn("geometry_cues"),
        section=f"{OUT}/sections/geometry.json",
    log:
        f"{OUT}/logs/judge_geometry.log",
    conda:
        "../../../../envs/realgap.yaml"
    resources:
        mem_mb=memory_for("judge_geometry"),
        runtime=minutes_for("judge_geometry"),
    params:
        options=options(
            confidence=config["geometry"]["confidence"],
            controls=config["geometry"]["controls"],
            seed=config["seed"],
        ),
        code=provenance.code("scripts.geometry_judge"),
        benchmark=f"{OUT}/benchmarks/judge_geometry.tsv",
    message:
        "Judge the geometry of every source beside the controls"
    shell:
        "python -m scripts.geometry_judge --measured {input.measured:q} --shadows {input.shadows:q}"
        " --overlays {input.overlays:q} --options {params.options:q} --images {output.images:q}"
        " --measures {output.measures:q} --cues {output.cues:q} --overviews {output.overviews:q}"
        " --measures-figure {output.measures_figure:q} --cues-figure {output.cues_figure:q} --section {output.section:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
