"""Inversion at equal visits, against a careful diffusers loop (P1) and the published script's shape (P0)."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from torch.nn import functional as F

from realgap import devices
from realgap.base_model import autoencoder, denoiser, schedules
from realgap.cost import flops
from realgap.diffusion import inversion
from tests import given
from tests.benchmarks import subjects
from tests.benchmarks.harness import Contest

BATCH = 50  # of the published script
VISITS, PARTS = 320, 1  # a call does the first of 50 parts of a run, 6 visits of each image


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    subject = subjects.subject(device, folder)
    n = subject.batch_size  # a multiple of 50 or 50 itself: every baseline's batch is full but perhaps the last
    images = np.random.default_rng(0).integers(0, 256, (n, subject.image_size, subject.image_size, 3), np.uint8)
    if device.type == "cpu":
        images = subjects.digits(per_class=n // 10)["images"]
    visits = PARTS * VISITS // inversion.PARTS
    half = torch.float32 if device.type == "cpu" else torch.bfloat16
    auto = devices.pick_dtype("auto", device)
    forward, backward = flops.unet(subject.unet, subject.latent_size, subject.num_tokens)
    others = {
        "P1 (careful diffusers loop)": careful(subject, images, visits, half),
        "P1 in bf16": careful(subject, images, visits, torch.bfloat16),
        "P0 (published script's shape)": published(subject, images, visits),
    }
    if half == torch.bfloat16:
        del others["P1 in bf16"]
    yield Contest(
        "inversion, equal visits",
        f"{visits} visits of {n} images, latents {subject.latent_size} x {subject.latent_size}",
        n * visits,
        {subjects.ours_in(auto): ours(subject, images, auto), **others},
        {"P1 (careful diffusers loop)": 1.2 if device.type == "cpu" else 2.0},
        flop=(forward + backward) * n * visits,
    )
    # what a study with ten images of a class pays for having a shard of each class
    yield Contest(
        "inversion, shards of ten images",
        f"{visits} visits of {n} images, latents {subject.latent_size} x {subject.latent_size}",
        n * visits,
        {f"batches of {size}": ours(subject, images, auto, size) for size in (n, 50, 20, 10) if size <= n},
    )


def ours(
    subject: subjects.Subject, images: np.ndarray, dtype: torch.dtype, batch_size: int | None = None
) -> Callable[[], object]:
    vae = autoencoder.load(subject.folder, subject.device, dtype)
    mean, std = autoencoder.encode(vae, images, subject.resolution)
    predict = denoiser.predictor(denoiser.load(subject.folder, subject.device, dtype))
    alphas_cumprod, prediction_type = schedules.noise(subject.folder)
    ids = np.arange(len(images))
    start = inversion.random_start(ids, subject.num_tokens, subject.unet["cross_attention_dim"], 0.1, seed=0)

    def call() -> np.ndarray:
        state = inversion.begin(start, VISITS)
        run = given.invert(
            state,
            mean,
            std,
            ids,
            predict,
            alphas_cumprod,
            prediction_type=prediction_type,
            scaling_factor=autoencoder.scaling_factor(subject.folder),
            visits=VISITS,
            lr=0.03,
            lr_schedule="constant",
            weight_decay=0.01,
            timesteps="uniform",
            seed=0,
            batch_size=batch_size or subject.batch_size,
            device=subject.device,
        )
        list(islice(run, PARTS * -(-len(images) // (batch_size or subject.batch_size))))
        return _finite(state.embeddings)

    return call


def careful(
    subject: subjects.Subject,
    images: np.ndarray,
    visits: int,
    dtype: torch.dtype,
    encode_each_step: bool = False,
    start: torch.Tensor | None = None,
    lr: float = 0.03,
    falls: bool = False,
) -> Callable[[], np.ndarray]:
    """What a careful user of diffusers writes: the UNet frozen, the posterior cached, diffusers' own attention.

    start: where embeddings begin, (images, tokens, width), random numbers where None; falls: the rate falls to zero by
    a cosine.
    """
    device = subject.device
    unet = UNet2DConditionModel.from_pretrained(subject.folder / "unet", dtype=dtype).to(device).eval()
    vae = AutoencoderKL.from_pretrained(subject.folder / "vae", dtype=dtype).to(device).eval()
    unet.requires_grad_(False)
    vae.requires_grad_(False)
    scheduler = DDPMScheduler.from_pretrained(subject.folder / "scheduler")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    if pixels.shape[-1] != subject.resolution:
        pixels = F.interpolate(pixels, (subject.resolution,) * 2, mode="bicubic", antialias=True)
    pixels = (pixels.clamp(0, 255) / 127.5 - 1).to(device, dtype)
    with torch.no_grad():
        cached = [vae.encode(some).latent_dist for some in pixels.split(BATCH)]

    def call() -> np.ndarray:
        learned = []
        starts = torch.empty(len(pixels), subject.num_tokens, unet.config.cross_attention_dim).uniform_(-0.1, 0.1)
        starts = starts if start is None else start
        course = "cosine" if falls else "constant"
        for some, distribution, begun in zip(pixels.split(BATCH), cached, starts.split(BATCH), strict=True):
            embeddings = torch.nn.Parameter(begun.to(device, copy=True))
            optimizer = torch.optim.AdamW([embeddings], lr=lr)
            schedule = get_scheduler(course, optimizer, num_warmup_steps=0, num_training_steps=visits)
            for _ in range(visits):
                if encode_each_step:
                    with torch.no_grad():
                        distribution = vae.encode(some).latent_dist
                latents = distribution.sample() * vae.config.scaling_factor
                noise = torch.randn_like(latents)
                timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),), device=device)
                noisy = scheduler.add_noise(latents, noise, timesteps)
                predicted = unet(noisy, timesteps, embeddings.to(dtype)).sample
                target = noise
                if scheduler.config.prediction_type == "v_prediction":
                    target = scheduler.get_velocity(latents, noise, timesteps)
                loss = F.mse_loss(predicted.float(), target.float())
                loss.backward()
                optimizer.step()
                schedule.step()
                optimizer.zero_grad(set_to_none=True)
            learned.append(embeddings.detach())
        return _finite(torch.cat(learned).cpu().numpy())

    return call


def published(subject: subjects.Subject, images: np.ndarray, visits: int) -> Callable[[], object]:
    """The released script's shape: float32 throughout, the VAE run at every step."""
    return careful(subject, images, visits, torch.float32, encode_each_step=True)


def _finite(embeddings: np.ndarray) -> np.ndarray:
    assert np.isfinite(embeddings).all()
    return embeddings
