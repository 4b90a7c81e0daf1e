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
            "python -m scripts.fetch_base_model --options {params.options:q} > {log:q} 2>&1"


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
