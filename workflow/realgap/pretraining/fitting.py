"""Pre-train a miniature Stable Diffusion from scratch: first its VAE, then UNet and text encoder together.

Weights, their averages and the optimiser are fp32; the networks may compute in bf16. Every random number comes
from a stream named by seed and step, so a run that was killed and resumed ends in the same weights, bit for bit.
"""

import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from transformers import CLIPTokenizer

from realgap import devices
from realgap.base_model import denoiser
from realgap.store import files
from realgap.streams import stream

CHECKPOINT_EVERY = 200  # optimiser steps
EMPTY_PROMPT_SHARE = 0.1  # of the captions, for classifier-free guidance; as Stable Diffusion 1.4
WARMUP_STEPS = 100
SCALED_BY = 20_000  # images that the VAE's scaling_factor is measured on, at most


@dataclass(frozen=True)
class Trace:
    """What a fit went through: the loss of every optimiser step, and seconds, resumed parts included."""

    losses: list[float]
    seconds: float


@dataclass(frozen=True)
class Draw:
    """Which images a step of training sees: some more often than others, and mirrored as often as not.

    weights: how often each image is drawn, in any unit, float (n,).
    """

    weights: np.ndarray
    mirrored: bool = True

    def __call__(
        self, random: np.random.Generator, images: int, captions: int, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of images, those from `images` on mirrored ones, and rows of their captions: int64 (size,) each."""
        ends = np.cumsum(self.weights, dtype=np.float64)
        rows = np.searchsorted(ends, random.random(size) * ends[-1], side="right")
        picks = rows + images * random.integers(captions // images, size=size)
        return (rows + images * random.integers(2, size=size) if self.mirrored else rows), picks


@dataclass(frozen=True)
class Checkpoint:
    """A file for the state of a fit and, in words of the caller's choice, the settings it belongs to.

    How many steps there will be is none of them: see `fit`.
    """

    path: Path
    settings: str

    def save(self, parts: Mapping[str, Any], trace: Trace, steps: int) -> None:
        """Write the state_dict of each part, the trace and the steps to come to; the file is replaced whole."""
        states = {name: part.state_dict() for name, part in parts.items()}
        content = io.BytesIO()
        torch.save({"settings": self.settings, "steps": steps, "states": states, **asdict(trace)}, content)
        files.write(self.path, content.getbuffer())

    def done(self) -> int | None:
        """Steps that the file holds, None without a file."""
        return len(torch.load(self.path, weights_only=True)["losses"]) if self.path.exists() else None

    def load(self, parts: Mapping[str, Any]) -> tuple[Trace, int]:
        """Fill the parts in place; the trace so far, empty without a file, and the steps to come to.

        ValueError on other settings.
        """
        if not self.path.exists():
            return Trace([], 0.0), 0
        content = torch.load(self.path, weights_only=True)
        if content["settings"] != self.settings:
            raise ValueError(f"{self.path}: must be of a run with the same settings; delete it to start anew")
        for name, part in parts.items():
            part.load_state_dict(content["states"][name])
        return Trace(content["losses"], content["seconds"]), content["steps"]


def train_vae(
    vae: AutoencoderKL,
    images: np.ndarray,
    *,
    visits: int,
    batch_size: int,
    lr: float,
    kl_weight: float,
    ema_decay: float,
    seed: int,
    checkpoint: Checkpoint,
    dtype: torch.dtype = torch.float32,
    falling: float = 1.0,
    seconds: float = math.inf,
) -> Trace:
    """Train the VAE in place on `visits` of `images` uint8 (n, h, w, 3) and measure its scaling_factor.

    Loss: L1 + L2 of the pixels in [-1, 1] + `kl_weight` times the KL divergence in nats per pixel value.
    The network computes in `dtype`. For `checkpoint`, `falling` and `seconds` see `fit`.
    """

    def loss_at(step: int) -> torch.Tensor:
        random = stream(seed, "train_vae", step)
        pixel_values = _pixel_values(images[random.integers(len(images), size=batch_size)]).to(vae.device)
        with devices.autocast(vae.device, dtype):
            posterior = vae.encode(pixel_values).latent_dist
            noise = _normal(random, posterior.mean.shape).to(vae.device)
            decoded = vae.decode(posterior.mean + posterior.std * noise).sample.float()
        kl = posterior.kl().float().mean() / pixel_values[0].numel()
        return functional.l1_loss(decoded, pixel_values) + functional.mse_loss(decoded, pixel_values) + kl_weight * kl

    denoiser.write_out_attention(vae, dtype)
    steps = math.ceil(visits / batch_size)
    trace = fit(vae, loss_at, steps, lr, ema_decay, checkpoint, falling, seconds)
    mean, std = encode(vae, images[:SCALED_BY])
    vae.register_to_config(scaling_factor=1 / math.sqrt(mean.var().item() + std.square().mean().item()))
    return trace


def train_denoiser(
    pipeline: StableDiffusionPipeline,
    images: np.ndarray,
    captions: Sequence[str],
    *,
    visits: int,
    batch_size: int,
    lr: float,
    ema_decay: float,
    seed: int,
    checkpoint: Checkpoint,
    dtype: torch.dtype = torch.float32,
    falling: float = 1.0,
    draw: Draw | None = None,
    snr_limit: float = math.inf,
    seconds: float = math.inf,
) -> Trace:
    """Train UNet and text encoder in place on `visits` of `images` uint8 (n, h, w, 3) with `captions`.

    Caption j belongs to image j % n: first one for every image, then another for every image, as many as there are.
    Loss: mean squared error of what the scheduler says is predicted; timesteps uniform, latents drawn from
    the posterior. The error of a clean image counts as that of a noisier one from `snr_limit` on: see `_weight`.
    Which images and captions a step sees: `draw`, or all alike. The networks compute in `dtype`.
    For `checkpoint`, `falling` and `seconds` see `fit`. ValueError if images have unequal numbers of captions.
    """
    if not captions or len(captions) % len(images):
        raise ValueError(f"captions: must be equally many for each of {len(images)} images, got {len(captions)}")
    unet, text_encoder, scheduler = pipeline.unet, pipeline.text_encoder, pipeline.scheduler
    mean, std = encode(pipeline.vae, images)
    if draw is not None and draw.mirrored:
        turned = encode(pipeline.vae, np.ascontiguousarray(images[:, :, ::-1]))
        mean, std = torch.cat([mean, turned[0]]), torch.cat([std, turned[1]])
    ids, empty_ids = token_ids(pipeline.tokenizer, captions), token_ids(pipeline.tokenizer, [""])

    def loss_at(step: int) -> torch.Tensor:
        random = stream(seed, "train_denoiser", step)
        if draw is None:
            picks = random.integers(len(captions), size=batch_size)
            rows = picks % len(images)
        else:
            rows, picks = draw(random, len(images), len(captions), batch_size)
        latents = (mean[rows] + std[rows] * _normal(random, mean[rows].shape)) * pipeline.vae.config.scaling_factor
        noise = _normal(random, latents.shape)
        timesteps = torch.from_numpy(random.integers(scheduler.config.num_train_timesteps, size=batch_size))
        empty = torch.from_numpy(random.random(batch_size) < EMPTY_PROMPT_SHARE)
        prompts = torch.where(empty[:, None], empty_ids, ids[picks]).to(unet.device)
        noisy = scheduler.add_noise(latents, noise, timesteps).to(unet.device)
        with devices.autocast(unet.device, dtype):
            predicted = unet(noisy, timesteps.to(unet.device), text_encoder(prompts).last_hidden_state).sample.float()
        target = _target(scheduler, latents, noise, timesteps).to(unet.device)
        if snr_limit == math.inf:
            return functional.mse_loss(predicted, target)
        errors = functional.mse_loss(predicted, target, reduction="none").mean(dim=(1, 2, 3))
        return (errors * _weight(scheduler, timesteps, snr_limit).to(unet.device)).mean()

    denoiser.write_out_attention(unet, dtype)
    both = torch.nn.ModuleDict({"unet": unet, "text_encoder": text_encoder})
    return fit(both, loss_at, math.ceil(visits / batch_size), lr, ema_decay, checkpoint, falling, seconds)


def _weight(scheduler: Any, timesteps: torch.Tensor, snr_limit: float) -> torch.Tensor:
    """What the squared error of the velocity counts, float32 (n,): 1, and less where there is little noise.

    That error is the clean image's times SNR + 1, which is capped at `snr_limit`: else most of what a small
    network learns would be fine noise. After Hang et al. 2023, arXiv 2303.09556, who cap the SNR.
    """
    kept = scheduler.alphas_cumprod[timesteps]
    return (snr_limit * (1 - kept)).clamp(max=1)  # SNR + 1 is 1 / (1 - kept)


def _target(scheduler: Any, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """The noise, or the velocity of Salimans & Ho 2022 (arXiv 2202.00512), eq. in section 4: (n, c, h, w)."""
    if scheduler.config.prediction_type == "epsilon":
        return noise
    kept = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return kept.sqrt() * noise - (1 - kept).sqrt() * latents


def fit(
    module: torch.nn.Module,
    loss_at: Callable[[int], torch.Tensor],
    steps: int,
    lr: float,
    ema_decay: float,
    checkpoint: Checkpoint,
    falling: float = 1.0,
    seconds: float = math.inf,
) -> Trace:
    """Train `module` in place by `steps` of AdamW on `loss_at(step)`; it ends as its moving average.

    The rate rises for 100 steps and follows a half cosine to zero over the last `falling` share of the steps. The
    state is kept in `checkpoint` and a killed run goes on from there: on the same number of threads, to the same
    weights bit for bit. Before the rate falls it may go on to another number of steps; after that, ValueError.
    After `seconds` it pauses with a checkpoint, likewise as its moving average; the trace is short of steps then.
    """
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(ema_decay))
    optimiser = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=0.01, fused=True)
    parts = {"module": module, "average": average, "optimiser": optimiser}
    trace, planned = checkpoint.load(parts)
    if planned != steps and len(trace.losses) > min(_held(planned, falling), _held(steps, falling)):
        raise ValueError(
            f"{checkpoint.path}: must go on to {planned:,} steps, to which its rate is falling; got {steps:,}"
        )
    losses, started = trace.losses, time.monotonic() - trace.seconds
    done, name, pause = len(losses), checkpoint.path.stem, time.monotonic() + seconds
    for step in tqdm(range(done, steps), desc=name, initial=done, total=steps, mininterval=5):
        optimiser.param_groups[0]["lr"] = lr * _rate(step, steps, falling)
        optimiser.zero_grad()
        loss = loss_at(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(module)
        losses.append(loss.item())
        paused = time.monotonic() > pause
        if len(losses) % CHECKPOINT_EVERY == 0 or len(losses) == steps or paused:
            trace = Trace(losses, time.monotonic() - started)
            checkpoint.save(parts, trace, steps)
        if paused:
            break
    module.load_state_dict(average.module.state_dict())
    module.eval()
    return trace


def _held(steps: int, falling: float) -> float:
    """Steps before the rate begins to fall."""
    return (1 - falling) * steps


def _rate(step: int, steps: int, falling: float) -> float:
    """Learning rate as a share of the full one."""
    held = _held(steps, falling)
    return min(1.0, (step + 1) / WARMUP_STEPS) * (1 + math.cos(math.pi * max(0.0, step - held) / (steps - held))) / 2


@torch.no_grad()
def encode(vae: AutoencoderKL, images: np.ndarray, batch_size: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Posterior mean and std of `images` uint8 (n, h, w, 3): float32 (n, 4, h / f, w / f), on the CPU."""
    means, stds = [], []
    for start in range(0, len(images), batch_size):
        pixel_values = _pixel_values(images[start : start + batch_size]).to(vae.device)
        posterior = vae.encode(pixel_values).latent_dist
        means.append(posterior.mean.cpu())
        stds.append(posterior.std.cpu())
    return torch.cat(means), torch.cat(stds)


def token_ids(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    """int64 (len(captions), max_tokens), padded and cut as StableDiffusionPipeline does."""
    return tokenizer(list(captions), padding="max_length", truncation=True, return_tensors="pt").input_ids


def _pixel_values(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _normal(random: np.random.Generator, shape: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(random.standard_normal(tuple(shape), dtype=np.float32))
