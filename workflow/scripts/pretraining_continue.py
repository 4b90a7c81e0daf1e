"""Go on with the training of a base model of photographs from what the repository holds, for so many seconds.

Without a model in --out its VAE is trained first. At the end --out is the model so far, once it has a VAE, and --state
what the next call, here or on another machine, goes on from; a killed call goes on from its last checkpoint.
"""

import json
import math
import shutil
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from diffusers import AutoencoderKL, StableDiffusionPipeline

from realgap import devices
from realgap.pretraining import captions, fitting, handover, hypernyms, latents, miniature, model_folder
from realgap.report import charts
from realgap.run import steps
from realgap.store import shards
from scripts import pretraining_natural as natural

# what may not change between two calls; how long and on what may
FIXED = {
    "vae": "seed image_size latent_channels vae_channels vae_batch_size vae_lr vae_ema_decay vae_lr_decay_fraction"
    " kl_weight precision",
    "unet": "seed image_size max_tokens text_width text_layers unet_channels unet_batch_size unet_lr unet_ema_decay"
    " unet_lr_decay_fraction snr_limit precision",
}


@dataclass(frozen=True)
class Options:
    """The settings file."""

    seed: int
    image_size: int
    captions: str
    max_tokens: int
    text_width: int
    text_layers: int
    vae: str | None  # a model folder whose VAE is taken, or none: one is trained
    latent_channels: int
    vae_channels: list[int]
    vae_images_seen: int
    vae_batch_size: int
    vae_lr: float
    vae_ema_decay: float
    vae_lr_decay_fraction: float
    kl_weight: float
    latent_power: float
    unet_channels: list[int]
    unet_images_seen: int
    unet_batch_size: int
    unet_lr: float
    unet_ema_decay: float
    unet_lr_decay_fraction: float
    snr_limit: float
    favoured: list[str]
    favour: float
    precision: str
    device: str
    prompts: list[str]
    guidance_scale: float

    def fixed(self, part: str) -> str:
        """What a checkpoint of the VAE or the UNet must agree with."""
        return json.dumps({name: getattr(self, name) for name in FIXED[part].split()}, sort_keys=True)


@dataclass(frozen=True)
class Photographs:
    """What is trained on, in an order that does not follow the folders' names."""

    images: np.ndarray  # uint8 (n, h, w, 3)
    kinds: np.ndarray  # str (n,)
    captions: list[str]  # caption j is of image j % n
    screening: str  # in words
    classes: int


def main() -> None:
    path, optional = {"type": Path}, {"required": False, "type": float, "default": math.inf}
    files, _ = steps.parse(
        __doc__, settings=path, photographs=path, screened=path, card=path, out=path, state=path, seconds=optional
    )
    o = read(files.settings)
    photographs = _photographs(files.photographs, files.screened, o)
    until = time.monotonic() + files.seconds
    if (files.out / "model_index.json").exists() or _begin(photographs, o, files.out, files.state, until):
        _go_on(photographs, o, files.card, files.out, files.state, until)


def read(path: Path) -> Options:
    """ValueError where the settings are not those that `Options` has."""
    given, names = yaml.safe_load(path.read_text(encoding="utf-8")), {field.name for field in fields(Options)}
    if not isinstance(given, dict) or set(given) != names:
        odd = ", ".join(sorted(set(given or {}) ^ names))
        raise ValueError(
            f"{path}: must hold exactly the settings of scripts.pretraining_continue; got too much or little: {odd}"
        )
    return Options(**given)


def _photographs(shard_path: Path, screened_path: Path, o: Options) -> Photographs:
    shard, screened = shards.read(shard_path, "images"), pd.read_csv(screened_path)
    rows = natural.chosen(shard, screened, None)
    images, labels, image_ids = (shard[name][rows] for name in ("images", "labels", "image_ids"))
    table = captions.read_table(o.captions)
    entries = [table[shard.attributes["classes"][label]] for label in labels]
    return Photographs(
        images,
        np.array([entry.kind for entry in entries]),
        hypernyms.write(images, entries, image_ids, o.seed),
        natural.in_words(screened),
        len(set(labels)),
    )


def _begin(photographs: Photographs, o: Options, out: Path, state: Path, until: float) -> bool:
    """Write a model of which the VAE alone is trained, or another model's; False where time is up before it is."""
    vae = _another_vae(o) if o.vae else _trained_vae(photographs.images, o, out, state / "vae", until)
    if vae is None:
        return False
    tokenizer = miniature.make_tokenizer(photographs.captions, o.max_tokens)
    latent_size, channels = o.image_size >> (len(vae.config.block_out_channels) - 1), vae.config.latent_channels
    pipeline = miniature.assemble(
        vae,
        miniature.make_text_encoder(tokenizer, o.text_width, o.text_layers, o.seed),
        tokenizer,
        miniature.make_unet(latent_size, o.unet_channels, o.text_width, o.seed, channels),
    )
    model_folder.save(pipeline, out, "Its VAE alone is trained yet.\n", {}, torch.float16)
    _checkpoint(out, "vae", o).path.unlink(missing_ok=True)
    shutil.rmtree(state / "vae", ignore_errors=True)
    return True


def _another_vae(o: Options) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(Path(o.vae) / "vae", local_files_only=True, dtype=torch.float32)


def _trained_vae(images: np.ndarray, o: Options, out: Path, state: Path, until: float) -> AutoencoderKL | None:
    """The VAE, or None and its state where time is up before it is trained."""
    checkpoint, device = _checkpoint(out, "vae", o), devices.pick(devices.Compute(device=o.device))
    _take_over(state, checkpoint)
    vae = miniature.make_vae(o.image_size, o.vae_channels, o.seed, o.latent_channels).to(device)
    trace = fitting.train_vae(
        vae,
        images,
        visits=o.vae_images_seen,
        batch_size=o.vae_batch_size,
        lr=o.vae_lr,
        kl_weight=o.kl_weight,
        ema_decay=o.vae_ema_decay,
        falling=o.vae_lr_decay_fraction,
        seed=o.seed,
        checkpoint=checkpoint,
        dtype=devices.pick_dtype(o.precision, device, training=True),
        seconds=until - time.monotonic(),
    )
    if len(trace.losses) < math.ceil(o.vae_images_seen / o.vae_batch_size):
        _hand_over(checkpoint, state)
        return None
    latents.weigh(vae.cpu(), images[: fitting.SCALED_BY], o.latent_power, o.seed)
    return vae


def _go_on(photographs: Photographs, o: Options, card: Path, out: Path, state: Path, until: float) -> None:
    """Train UNet and text encoder further, then write the model so far and the state."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        out, safety_checker=None, requires_safety_checker=False, local_files_only=True, dtype=torch.float32
    )
    checkpoint = _checkpoint(out, "unet", o)
    _take_over(state / "unet", checkpoint)
    trace = _train(pipeline, photographs, o, checkpoint, until)
    _save(pipeline, photographs, o, trace, card, out)
    _hand_over(checkpoint, state / "unet")


def _take_over(state: Path, checkpoint: fitting.Checkpoint) -> None:
    """Take the state as checkpoint, unless a killed call has left one that is further."""
    done = checkpoint.done()
    if done is None or done < handover.done(state):
        handover.read(state, checkpoint.path, checkpoint.settings)
    else:
        print(f"{checkpoint.path}: going on from step {done:,}, where a call was stopped", flush=True)


def _hand_over(checkpoint: fitting.Checkpoint, state: Path) -> None:
    handover.write(checkpoint.path, state)
    checkpoint.path.unlink()


def _train(
    pipeline: StableDiffusionPipeline,
    photographs: Photographs,
    o: Options,
    checkpoint: fitting.Checkpoint,
    until: float,
) -> fitting.Trace:
    device = devices.pick(devices.Compute(device=o.device))
    favoured = np.isin(photographs.kinds, o.favoured)
    trace = fitting.train_denoiser(
        pipeline.to(device),
        photographs.images,
        photographs.captions,
        visits=o.unet_images_seen,
        batch_size=o.unet_batch_size,
        lr=o.unet_lr,
        ema_decay=o.unet_ema_decay,
        falling=o.unet_lr_decay_fraction,
        seed=o.seed,
        checkpoint=checkpoint,
        dtype=devices.pick_dtype(o.precision, device, training=True),
        draw=fitting.Draw(np.where(favoured, o.favour, 1.0)),
        snr_limit=o.snr_limit,
        seconds=until - time.monotonic(),
    )
    pipeline.to("cpu")
    return trace


def _save(
    pipeline: StableDiffusionPipeline,
    photographs: Photographs,
    o: Options,
    trace: fitting.Trace,
    card: Path,
    out: Path,
) -> None:
    model_folder.round_to_half(pipeline)
    pipeline.unet.set_default_attn_processor()
    images, settings = photographs.images, {k: v for k, v in asdict(o).items() if k != "prompts"}
    facts = {
        "screening": photographs.screening,
        "photographs": f"{len(images):,}",
        "classes": f"{photographs.classes:,}",
        "seen": f"{len(trace.losses) * o.unet_batch_size:,}",
    }
    text = model_folder.fill_card(card.read_text(), pipeline, settings, {"UNet": trace}, **facts)
    pictures = {
        "samples.png": model_folder.sample_grid(pipeline, o.prompts, 10, o.guidance_scale, o.seed),
        "reconstructions.png": model_folder.reconstructions(pipeline.vae, images[:: max(1, len(images) // 20)][:20]),
        "losses.png": model_folder.drawn(charts.losses({"UNet": trace.losses})),
    }
    model_folder.save(pipeline, out, text, pictures, torch.float16)


def _checkpoint(out: Path, part: str, o: Options) -> fitting.Checkpoint:
    return fitting.Checkpoint(out.with_name(f".{out.name}.{part}.pt"), o.fixed(part))


if __name__ == "__main__":
    steps.run(main)
