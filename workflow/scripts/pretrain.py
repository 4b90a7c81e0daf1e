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
    kl_weight: float
    unet_channels: list[int]
    unet_visits: int
    unet_lr: float
    batch_size: int
    ema_decay: float


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
    common = {"batch_size": o.batch_size, "ema_decay": o.ema_decay, "seed": o.seed}
    vae_settings = {
        "visits": o.vae_visits,
        "lr": o.vae_lr,
        "kl_weight": o.kl_weight,
        "checkpoint": checkpoints[0],
    }
    unet_settings = {"visits": o.unet_visits, "lr": o.unet_lr, "checkpoint": checkpoints[1]}
    traces = {
        "VAE": pretraining.train_vae(pipeline.vae, images, **vae_settings, **common),
        "UNet": pretraining.train_denoiser(pipeline, images, captions, **unet_settings, **common),
    }

    card = model_folder.fill_card(files.card.read_text(), pipeline, asdict(o), traces)
    prompts = [f"a photo of the digit {name}" for name in typeset.CLASS_NAMES]
    samples = model_folder.sample_grid(pipeline, prompts, columns=8, guidance_scale=2.0, seed=o.seed)
    model_folder.save(pipeline, files.out, card, samples.convert("L"))  # grey digits: a third of the bytes
    for checkpoint in checkpoints:
        checkpoint.path.unlink()


if __name__ == "__main__":
    steps.run(main)
