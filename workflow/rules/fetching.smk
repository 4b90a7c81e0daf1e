# What a study needs from the internet. It is fetched before the first job that reads it, here, where snakemake runs:
# compute nodes often have no internet. A target by name does just that. None of it is an output of a rule, so nothing
# that Snakemake does deletes it, and a finished study stays finished where its data or weights are gone.
import subprocess

# the step that fetches, and files that say that it has; none for what is never fetched
STEPS = {
    "fetch_dataset": "scripts.data_fetch",
    "fetch_base_model": "scripts.base_model_fetch",
    "fetch_weights": "scripts.classifier_fetch",
}
ARCHIVE = catalog.ARCHIVES.get(DATASET["name"])
PUBLISHED = published_weights()
# of a data set that its owners give to people alone: the step that would fetch it says so
BY_HAND = [f"{DATASET['root']}/train"] if DATASET["name"] in catalog.COUNTED else []
MARKERS = {
    "fetch_dataset": [f"{DATASET['root']}/{ARCHIVE.marker}"] if ARCHIVE else BY_HAND,
    "fetch_base_model": [f"{BASE_MODEL}/model_index.json"] if config["base_model"]["hub"] else [],
    "fetch_weights": [path for _, path, _ in PUBLISHED],
}


rule fetch_dataset:
    log:
        f"{OUT}/logs/fetch_dataset.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        options=options(dataset=DATASET["name"], root=DATASET["root"]),
    message:
        "Fetch the data set {config[dataset][name]}"
    shell:
        "python -m scripts.data_fetch --options {params.options:q} 2>&1 | tee {log:q}"


rule fetch_base_model:
    log:
        f"{OUT}/logs/fetch_base_model.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        options=options(without(config["base_model"], "resolution")),
    message:
        "Fetch the base model {config[base_model][path]}"
    shell:
        "python -m scripts.base_model_fetch --options {params.options:q} 2>&1 | tee {log:q}"


rule fetch_weights:
    log:
        f"{OUT}/logs/fetch_weights.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        options=options(weights=PUBLISHED),
    message:
        "Fetch the weights that classifiers begin at"
    shell:
        "python -m scripts.classifier_fetch --options {params.options:q} 2>&1 | tee {log:q}"


# a checkpoint in one file becomes a folder, which base_model.path then names; it replaces no folder that is there
rule convert_base_model:
    log:
        "results/downloads/logs/convert_base_model.log",
    localrule: True
    conda:
        "../../envs/realgap.yaml"
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        options=options(config["conversion"]),
    message:
        "Turn the checkpoint {config[conversion][file]} into a folder"
    shell:
        "python -m scripts.base_model_convert --options {params.options:q} 2>&1 | tee {log:q}"
