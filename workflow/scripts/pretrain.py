"""Pre-train the miniature Stable Diffusion of the default study on typeset digits."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from realgap import miniature, model_folder, pretraining, steps, typeset


@dataclass(frozen=True)
class Options:
    """The section `pretraining` of the config."""

    seed: int
    images: int
    image_size: int
    max_tokens: int
    text_width: int
    text_layers: int
    vae_channels: list[int]
    vae_visits: int
    vae_lr: float
    vae_ema_decay: float
    kl_weight: float
    unet_channels: list[int]
    unet_visits: int
    unet_lr: float
    unet_ema_decay: float
    batch_size: int


def main() -> None:
    files, o = steps.parse(__doc__, Options, card={"type": Path}, out=steps.BASE_MODEL)
    checkpoints = [
        pretraining.Checkpoint(files.out.with_name(f".{files.out.name}.{part}.pt"), json.dumps(asdict(o)))
        for part in ("vae", "unet")
    ]
    images, labels = typeset.render(o.images, o.image_size, o.seed)
    captions = typeset.captions(labels, o.seed)

    tokenizer = miniature.make_tokenizer(captions, o.max_tokens)
    latent_size = o.image_size >> (len(o.vae_channels) - 1)
    pipeline = miniature.assemble(
        miniature.make_vae(o.image_size, o.vae_channels, o.seed),
        miniature.make_text_encoder(tokenizer, o.text_width, o.text_layers, o.seed),
        tokenizer,
        miniature.make_unet(latent_size, o.unet_channels, o.text_width, o.seed),
    )
    vae_settings = {"lr": o.vae_lr, "ema_decay": o.vae_ema_decay, "kl_weight": o.kl_weight}
    unet_settings = {"lr": o.unet_lr, "ema_decay": o.unet_ema_decay}
    common = {"batch_size": o.batch_size, "seed": o.seed}
    traces = {
        "VAE": pretraining.train_vae(
            pipeline.vae, images, visits=o.vae_visits, checkpoint=checkpoints[0], **vae_settings, **common
        ),
        "UNet": pretraining.train_denoiser(
            pipeline, images, captions, visits=o.unet_visits, checkpoint=checkpoints[1], **unet_settings, **common
        ),
    }

    card = model_folder.fill_card(files.card.read_text(), pipeline, asdict(o), traces)
    prompts = [f"a photo of the digit {name}" for name in typeset.CLASS_NAMES]
    samples = model_folder.sample_grid(pipeline, prompts, columns=8, guidance_scale=2.0, seed=o.seed)
    model_folder.save(pipeline, files.out, card, samples.convert("L"))  # grey digits: a third of the bytes
    for checkpoint in checkpoints:
        checkpoint.path.unlink()


if __name__ == "__main__":
    steps.run(main)
