"""Sampling at equal steps, to images on disk, against StableDiffusionPipeline with prompt_embeds to PNG files (S0)."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from realgap import devices
from realgap.base_model import autoencoder, denoiser, schedules
from realgap.cost import flops
from realgap.diffusion import sampling
from realgap.store import shards
from tests.benchmarks import subjects
from tests.benchmarks.harness import Contest

STEPS, GUIDANCE = 12, 1.25  # of the default study


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    subject = subjects.subject(device, folder)
    n = 50 if device.type == "cpu" else 500
    random = np.random.default_rng(0)
    width = subject.unet["cross_attention_dim"]
    conditioning = random.standard_normal((n, subject.num_tokens, width), np.float32)
    auto = devices.pick_dtype("auto", device)
    half = torch.float32 if device.type == "cpu" else torch.bfloat16
    forward, _ = flops.unet(subject.unet, subject.latent_size, subject.num_tokens)
    others = {"S0 (StableDiffusionPipeline to PNG)": pipeline(subject, conditioning, half, folder)}
    if half != torch.bfloat16:
        others["S0 in bf16"] = pipeline(subject, conditioning, torch.bfloat16, folder)
    yield Contest(
        "sampling, equal steps",
        f"{n} images of {subject.resolution} px kept at {subject.image_size}, {STEPS} steps with guidance",
        n,
        {subjects.ours_in(auto): ours(subject, conditioning, auto, folder), **others},
        {"S0 (StableDiffusionPipeline to PNG)": 1.3 if device.type == "cpu" else 2.0},
        flop=n * (2 * STEPS * forward + flops.vae_decoder(subject.vae, subject.resolution)),
    )


def ours(subject: subjects.Subject, conditioning: np.ndarray, dtype: torch.dtype, folder: Path) -> Callable[[], object]:
    vae, unet = (load(subject.folder, subject.device, dtype) for load in (autoencoder.load, denoiser.load))
    shape = denoiser.latent_shape(subject.folder, vae, unet, subject.resolution)
    predict, scheduler = denoiser.predictor(unet), schedules.sampler(subject.folder, "dpmsolver++")
    n = len(conditioning)
    items = sampling.items(np.arange(n), 1)

    def call() -> None:
        batches = sampling.sample(
            sampling.initial_latents(items, shape, seed=0),
            conditioning,
            conditioning.mean(axis=0),
            predict,
            scheduler,
            lambda latents: autoencoder.decode(vae, latents, subject.image_size),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            batch_size=50,  # 100 rows with guidance: the fastest on a CPU
            device=subject.device,
        )
        with shards.writing(folder / "samples.h5", "images", n, {"step": "benchmark"}) as append:
            for images in batches:
                ids = np.arange(len(images))
                append({"images": images, "labels": ids, "image_ids": ids, "variants": ids.astype(np.int32)})

    return call


def pipeline(
    subject: subjects.Subject, conditioning: np.ndarray, dtype: torch.dtype, folder: Path
) -> Callable[[], object]:
    pipe = library(subject, dtype, "dpmsolver++")
    embeddings = torch.from_numpy(conditioning).to(subject.device, dtype)
    unconditional = embeddings.mean(dim=0, keepdim=True).expand_as(embeddings)
    out = Path(tempfile.mkdtemp(dir=folder))
    paths = [out / f"{number:05d}.png" for number in range(len(embeddings))]
    given = {"prompt_embeds": embeddings, "negative_prompt_embeds": unconditional}
    return lambda: to_png(pipe, subject, paths, given, STEPS, GUIDANCE)


def library(subject: subjects.Subject, dtype: torch.dtype, scheduler: str) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(subject.folder, dtype=dtype, safety_checker=None)
    pipe.scheduler = schedules.sampler(subject.folder, scheduler)
    pipe.to(subject.device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def to_png(
    pipe: StableDiffusionPipeline,
    subject: subjects.Subject,
    paths: Sequence[Path],
    given: Mapping[str, Sequence],
    num_inference_steps: int,
    guidance_scale: float,
    batch_size: int = 100,
) -> None:
    """An image at each path; given: arguments of the pipeline that have a value for each image."""
    for first in range(0, len(paths), batch_size):
        own = slice(first, first + batch_size)
        images = pipe(
            **{name: values[own] for name, values in given.items()},
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            height=subject.resolution,
            width=subject.resolution,
        ).images
        for path, image in zip(paths[own], images, strict=True):
            if image.size[0] != subject.image_size:
                image = image.resize((subject.image_size,) * 2, Image.Resampling.BICUBIC)
            image.save(path)
