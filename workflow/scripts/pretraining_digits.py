"""Pre-train the miniature Stable Diffusion of the default study on typeset digits."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from realgap import devices
from realgap.pretraining import fitting, miniature, model_folder, typeset
from realgap.run import steps

FREE = ("vae_images_seen", "unet_images_seen", "prompts")  # what may be changed between two parts of a training


@dataclass(frozen=True)
class Options:
    """The section `digits` of workflow/pretraining/config.yaml."""

    seed: int
    images: int
    image_size: int
    max_tokens: int
    text_width: int
    text_layers: int
    latent_channels: int
    vae_channels: list[int]
    vae_images_seen: int
    vae_lr: float
    vae_ema_decay: float
    kl_weight: float
    unet_channels: list[int]
    unet_images_seen: int
    unet_lr: float
    unet_ema_decay: float
    batch_size: int
    lr_decay_fraction: float
    precision: str


def main() -> None:
    files, o = steps.parse(__doc__, Options, card={"type": Path}, out=steps.BASE_MODEL)
    images, labels = typeset.render(o.images, o.image_size, o.seed)
    pipeline, traces = train(images, typeset.captions(labels, o.seed), o, files.out)

    card = model_folder.fill_card(files.card.read_text(), pipeline, asdict(o), traces)
    prompts = [f"a photo of the digit {name}" for name in typeset.CLASS_NAMES]
    samples = model_folder.sample_grid(pipeline, prompts, columns=8, guidance_scale=2.0, seed=o.seed)
    # grey digits: a third of the bytes
    model_folder.save(pipeline, files.out, card, {"samples.png": samples.convert("L")})
    forget(files.out, o)


def train(
    images: np.ndarray, captions: Sequence[str], o: Options, out: Path
) -> tuple[StableDiffusionPipeline, dict[str, fitting.Trace]]:
    """A model of uint8 (n, h, w, 3) images with k * n captions, and what its training went through, by part.

    Its state is kept in hidden files beside the folder `out`, from which a killed run goes on: see `forget`.
    """
    of_vae, of_unet = _checkpoints(out, o)
    tokenizer = _tokenizer(_tokenizer_folder(out), captions, o.max_tokens, begun=of_vae.path.exists())
    latent_size = o.image_size >> (len(o.vae_channels) - 1)
    pipeline = miniature.assemble(
        miniature.make_vae(o.image_size, o.vae_channels, o.seed, o.latent_channels),
        miniature.make_text_encoder(tokenizer, o.text_width, o.text_layers, o.seed),
        tokenizer,
        miniature.make_unet(latent_size, o.unet_channels, o.text_width, o.seed, o.latent_channels),
    )
    vae_settings = {"lr": o.vae_lr, "ema_decay": o.vae_ema_decay, "kl_weight": o.kl_weight}
    unet_settings = {"lr": o.unet_lr, "ema_decay": o.unet_ema_decay}
    dtype = devices.pick_dtype(o.precision, pipeline.device, training=True)
    common = {"batch_size": o.batch_size, "seed": o.seed, "dtype": dtype, "falling": o.lr_decay_fraction}
    return pipeline, {
        "VAE": fitting.train_vae(
            pipeline.vae, images, visits=o.vae_images_seen, checkpoint=of_vae, **vae_settings, **common
        ),
        "UNet": fitting.train_denoiser(
            pipeline, images, captions, visits=o.unet_images_seen, checkpoint=of_unet, **unet_settings, **common
        ),
    }


def forget(out: Path, o: Options) -> None:
    """Delete what a killed run would have gone on from, once the folder is whole."""
    for checkpoint in _checkpoints(out, o):
        checkpoint.path.unlink()
    shutil.rmtree(_tokenizer_folder(out))


def _tokenizer(folder: Path, captions: Sequence[str], max_tokens: int, begun: bool) -> CLIPTokenizer:
    """The tokenizer of a run that has begun, or a new one, kept in `folder`.

    Made twice of the same captions, two tokenizers give equally frequent words other numbers.
    """
    if begun and folder.exists():
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = miniature.make_tokenizer(captions, max_tokens)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _tokenizer_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.tokenizer")


def _checkpoints(out: Path, o: Options) -> list[fitting.Checkpoint]:
    settings = json.dumps({name: value for name, value in asdict(o).items() if name not in FREE}, sort_keys=True)
    return [fitting.Checkpoint(out.with_name(f".{out.name}.{part}.pt"), settings) for part in ("vae", "unet")]


if __name__ == "__main__":
    steps.run(main)
