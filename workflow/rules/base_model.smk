counts("fetch_base_model", None)
counts("pretrain_base", None)

if config["base_model"]["hub"]:

    # once it is there it stays: its revision, not a file's time, says what it is
    rule fetch_base_model:
        output:
            f"{BASE_MODEL}/model_index.json",
        log:
            "results/downloads/logs/base_model.log",
        benchmark:
            "results/downloads/benchmarks/base_model.tsv"
        localrule: True
        conda:
            "../../envs/realgap.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=240,
        params:
            options=options(without(config["base_model"], "resolution")),
        message:
            f"Fetch the base model {config['base_model']['hub']}"
        shell:
            "python -m scripts.base_model_fetch --options {params.options:q} > {log:q} 2>&1"


rule pretrain_base:
    output:
        index="resources/mini-sd-digits/model_index.json",
        card="resources/mini-sd-digits/README.md",
        samples="resources/mini-sd-digits/samples.png",
        scheduler="resources/mini-sd-digits/scheduler/scheduler_config.json",
        tokenizer="resources/mini-sd-digits/tokenizer/tokenizer.json",
        tokenizer_config="resources/mini-sd-digits/tokenizer/tokenizer_config.json",
        vocabulary="resources/mini-sd-digits/tokenizer/vocab.json",
        merges="resources/mini-sd-digits/tokenizer/merges.txt",
        text_encoder="resources/mini-sd-digits/text_encoder/model.safetensors",
        text_encoder_config="resources/mini-sd-digits/text_encoder/config.json",
        unet="resources/mini-sd-digits/unet/diffusion_pytorch_model.safetensors",
        unet_config="resources/mini-sd-digits/unet/config.json",
        vae="resources/mini-sd-digits/vae/diffusion_pytorch_model.safetensors",
        vae_config="resources/mini-sd-digits/vae/config.json",
    log:
        "results/pretraining/logs/pretrain_base.log",
    cache: True
    conda:
        "../../envs/realgap.yaml"
    # two threads gain little on networks this small, and one gives the same bytes on every number of cores
    threads: 1
    resources:
        mem_mb=6000,
        runtime=120,
    params:
        options=options(config["pretraining"]),
        code=provenance.code("scripts.pretrain"),
        # a text beside the weights: to edit it must not ask for a new pre-training
        card="workflow/docs/mini-sd-digits.md",
        benchmark="results/pretraining/benchmarks/pretrain_base.tsv",
    message:
        "Pre-train the miniature Stable Diffusion on typeset digits (shipped; about half an hour)"
    shell:
        "python -m scripts.pretrain --options {params.options:q} --card {params.card:q} --out {output.index:q}"
        " --benchmark {params.benchmark:q} > {log:q} 2>&1"


NATURAL = config["pretraining_natural"]

if NATURAL["root"]:

    # photographs are the user's to bring: without them the shipped model is all there is
    rule collect_natural:
        input:
            ancient(NATURAL["root"]),
            captions=NATURAL["captions"],
        output:
            "results/pretraining/natural/photographs.h5",
        log:
            "results/pretraining/logs/collect_natural.log",
        benchmark:
            "results/pretraining/benchmarks/collect_natural.tsv"
        conda:
            "../../envs/realgap.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt: 6000 * attempt,
            runtime=60,
        params:
            options=options({key: NATURAL[key] for key in ("root", "captions", "image_size")}),
            code=provenance.code("scripts.collect"),
        message:
            "Collect the photographs of {input[0]}"
        shell:
            "python -m scripts.collect --options {params.options:q} --out {output:q} > {log:q} 2>&1"

    rule screen_natural:
        input:
            photographs="results/pretraining/natural/photographs.h5",
            unseen=ancient(f"{NATURAL['unseen_root']}/{catalog.ARCHIVES[NATURAL['unseen']].marker}"),
        output:
            table="results/pretraining/natural/screening.csv",
            figure=multiext("results/pretraining/natural/screening", ".png", ".svg"),
        log:
            "results/pretraining/logs/screen_natural.log",
        benchmark:
            "results/pretraining/benchmarks/screen_natural.tsv"
        conda:
            "../../envs/realgap.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt: 6000 * attempt,
            runtime=60,
        params:
            options=options({key: NATURAL[key] for key in ("unseen", "unseen_root", "image_size", "near")}, pairs=32),
            code=provenance.code("scripts.screen"),
        message:
            "Look for images of {NATURAL[unseen]} among the photographs"
        shell:
            "python -m scripts.screen --photographs {input.photographs:q} --options {params.options:q}"
            " --table {output.table:q} --figure {output.figure:q} > {log:q} 2>&1"

    rule pretrain_natural:
        input:
            photographs="results/pretraining/natural/photographs.h5",
            screened="results/pretraining/natural/screening.csv",
            captions=NATURAL["captions"],
        output:
            expand(
                "resources/mini-sd-natural/{file}",
                file=[
                    "README.md",
                    "samples.png",
                    "reconstructions.png",
                    "losses.png",
                    "scheduler/scheduler_config.json",
                    "tokenizer/tokenizer.json",
                    "tokenizer/tokenizer_config.json",
                    "tokenizer/vocab.json",
                    "tokenizer/merges.txt",
                    "text_encoder/model.safetensors",
                    "text_encoder/config.json",
                    "unet/diffusion_pytorch_model.safetensors",
                    "unet/config.json",
                    "vae/diffusion_pytorch_model.safetensors",
                    "vae/config.json",
                ],
            ),
            index="resources/mini-sd-natural/model_index.json",
        log:
            "results/pretraining/logs/pretrain_natural.log",
        conda:
            "../../envs/realgap.yaml"
        threads: 2
        resources:
            mem_mb=lambda wildcards, attempt: 6000 * attempt,
            runtime=180,
        params:
            options=options(without(NATURAL, "root", "captions", "unseen", "unseen_root", "near")),
            code=provenance.code("scripts.pretrain_natural"),
            # as above
            card="workflow/docs/mini-sd-natural.md",
            benchmark="results/pretraining/benchmarks/pretrain_natural.tsv",
        message:
            "Pre-train the miniature Stable Diffusion on photographs (shipped; about an hour)"
        shell:
            "python -m scripts.pretrain_natural --photographs {input.photographs:q} --screened {input.screened:q}"
            " --captions {input.captions:q} --options {params.options:q} --card {params.card:q}"
            " --out {output.index:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"
