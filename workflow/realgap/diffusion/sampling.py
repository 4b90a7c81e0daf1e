"""Sampling: from a conditioning and noise to images, batch by batch.

Each (image, variant) has one random stream for its initial latents, so a sample is the same whichever shard or batch it
is drawn in.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from realgap import devices, streams
from realgap.base_model import samplers
from realgap.base_model.denoiser import Predict

T = TypeVar("T")


def items(image_ids: np.ndarray, variants: int | np.ndarray) -> list[tuple[int, int]]:
    """(image_id, variant) of every sample to draw, variants of an image side by side; so many of each, or (n,)."""
    of_each = np.broadcast_to(variants, len(image_ids)).tolist()
    return [(int(i), v) for i, n in zip(image_ids, of_each, strict=True) for v in range(n)]


def initial_latents(items: Sequence[tuple[int, int]], shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Standard normal float32 (n, *shape), one stream per item."""
    return streams.normal((streams.stream(seed, "latents", i, v) for i, v in items), shape)


def generators(items: Sequence[tuple[int, int]], seed: int) -> list[torch.Generator]:
    """What the steps of each item draw from, where its sampler adds noise in each (samplers.Sampler.draws)."""
    seeds = (int(streams.stream(seed, "steps", i, v).integers(2**63)) for i, v in items)
    return [torch.Generator().manual_seed(number) for number in seeds]


def noised_start(
    items: Sequence[tuple[int, int]], mean: np.ndarray, std: np.ndarray, image_ids: np.ndarray, scale: float, seed: int
) -> np.ndarray:
    """Latents of each item's real image, drawn from its VAE posterior, scaled: float32 (n, c, h, w).

    mean, std: float32 (m, c, h, w) of the images image_ids (m,), unscaled; scale: the VAE's scaling factor.
    """
    rows = _rows_of(items, image_ids)
    drawn = streams.normal((streams.stream(seed, "posterior", i, v) for i, v in items), mean.shape[1:])
    return ((mean[rows] + std[rows] * drawn) * scale).astype(np.float32)


@torch.inference_mode()
def inverted(
    latents: np.ndarray,
    conditioning: np.ndarray,
    predict: Predict,
    scheduler: Any,
    *,
    num_inference_steps: int,
    batch_size: int,
    device: torch.device,
) -> np.ndarray:
    """The noise, float32 (n, c, h, w), from which denoising leads back to scaled latents of that shape, without chance.

    conditioning (tokens, width), the same for all; scheduler: schedules.inverse. DDIM inversion: Song et al. 2020,
    arXiv 2010.02502, equation 13 backwards. The way back is not exact: more steps leave less error.
    """
    conditions = torch.from_numpy(conditioning).to(device)

    def invert(rows: slice) -> np.ndarray:
        scheduler.set_timesteps(num_inference_steps)
        found = torch.from_numpy(latents[rows]).to(device)
        given = conditions.expand(len(found), -1, -1)
        for t in scheduler.timesteps:
            found = scheduler.step(predict(found, t.to(device).expand(len(found)), given), t, found).prev_sample
        return found.float().cpu().numpy()

    return np.concatenate(list(devices.in_batches(invert, len(latents), batch_size)))


def renoised(
    items: Sequence[tuple[int, int]], noise: np.ndarray, image_ids: np.ndarray, fresh: float, seed: int
) -> np.ndarray:
    """The noise of each item's image with the share `fresh` of its variance drawn anew, float32 (n, c, h, w).

    noise: float32 (m, c, h, w) of the images image_ids (m,).
    """
    own, drawn = noise[_rows_of(items, image_ids)], initial_latents(items, noise.shape[1:], seed)
    return np.float32(np.sqrt(1 - fresh)) * own + np.float32(np.sqrt(fresh)) * drawn


def _rows_of(items: Sequence[tuple[int, int]], image_ids: np.ndarray) -> list[int]:
    """The place of each item's image among image_ids."""
    row_of = {int(image_id): row for row, image_id in enumerate(image_ids)}
    return [row_of[image_id] for image_id, _ in items]


class Rows:
    """n rows of an array of which only those asked for, by a slice, are made: rows[3:5]."""

    def __init__(self, n: int, make: Callable[[slice], np.ndarray]) -> None:
        self.n, self.make = n, make

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.make(rows)


def sample(
    noise: np.ndarray | Rows,
    conditioning: np.ndarray | Rows,
    unconditional: np.ndarray,
    predict: Predict,
    scheduler: Any,
    decode: Callable[[torch.Tensor], T],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    guidance_interval: Sequence[float] = (0.0, 1.0),
    batch_size: int,
    device: torch.device,
    start: Rows | None = None,
    strength: float = 1.0,
    generators: Callable[[slice], list[torch.Generator]] | None = None,
) -> Iterator[T]:
    """What `decode` makes of the scaled latents, float32 (batch, c, h, w), of each batch in turn.

    noise (n, c, h, w); conditioning (n, tokens, width); unconditional (tokens, width), the same for all,
    with as many tokens or other. The prediction is uncond + guidance_scale (cond - uncond); at 1 the
    unconditional branch is not run, nor in calls outside of guidance_interval (samplers.guided). start: scaled
    latents (n, c, h, w) to begin at, noised as far as the share `strength` of the steps takes away again (SDEdit: Meng
    et al. 2021, arXiv 2108.01073; as diffusers does it). generators: of a batch's rows, for a sampler that draws.
    A batch that does not fit the device's memory is halved, with a word on stderr.
    """

    def draw(rows: slice) -> T:
        scheduler.set_timesteps(num_inference_steps)  # on the host: reading them from a GPU means to wait for it
        latents, timesteps = torch.from_numpy(noise[rows]).to(device), scheduler.timesteps
        if start is None:
            latents = latents * scheduler.init_noise_sigma
        else:
            timesteps = _last_timesteps(scheduler, num_inference_steps, strength)
            latents = scheduler.add_noise(torch.from_numpy(start[rows]).to(device), latents, timesteps[:1])
        branches = _Branches(conditioning[rows], unconditional, guidance_scale, device)
        calls = len(scheduler.timesteps)
        first = calls - len(timesteps)
        guided = [samplers.guided(call, calls, guidance_interval) for call in range(first, calls)]
        drawn = {} if generators is None else {"generator": generators(rows)}
        return decode(_denoise(latents, branches, predict, scheduler, timesteps, guided, drawn))

    return devices.in_batches(draw, len(noise), batch_size)


class _Branches:
    """The conditional and the unconditional rows of one call of the denoiser, and how their answers are joined."""

    def __init__(
        self, conditioning: np.ndarray, unconditional: np.ndarray, guidance_scale: float, device: torch.device
    ) -> None:
        self.scale, self.mask = guidance_scale, None
        self.conditioning = torch.from_numpy(conditioning).to(device)
        if guidance_scale == 1:
            return
        n, tokens = len(conditioning), (len(unconditional), conditioning.shape[1])
        uncond = torch.from_numpy(unconditional).to(device).expand(n, -1, -1)
        if tokens[0] != tokens[1]:  # the empty prompt is longer than a learned embedding: pad, and mask the padding
            padded = [F.pad(c, (0, 0, 0, max(tokens) - c.shape[1])) for c in (uncond, self.conditioning)]
            uncond, self.conditioning = padded
            lengths = torch.tensor(tokens, device=device).repeat_interleave(n)
            self.mask = torch.arange(max(tokens), device=device) < lengths[:, None]
        self.conditioning = torch.cat([uncond, self.conditioning])

    def predict(self, predict: Predict, latents: torch.Tensor, t: torch.Tensor, guided: bool) -> torch.Tensor:
        if self.scale == 1:
            return predict(latents, t.expand(len(latents)), self.conditioning)
        if not guided:
            mask = () if self.mask is None else (self.mask[len(latents) :],)
            return predict(latents, t.expand(len(latents)), self.conditioning[len(latents) :], *mask)
        both = torch.cat([latents, latents])
        mask = () if self.mask is None else (self.mask,)
        uncond, cond = predict(both, t.expand(len(both)), self.conditioning, *mask).chunk(2)
        return uncond + self.scale * (cond - uncond)


def _last_timesteps(scheduler: Any, num_inference_steps: int, strength: float) -> torch.Tensor:
    """The timesteps of the last `strength` of the steps, at least one; the scheduler is told to begin there."""
    begin = (num_inference_steps - max(1, int(num_inference_steps * strength))) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    return scheduler.timesteps[begin:]


@torch.inference_mode()
def _denoise(
    latents: torch.Tensor,
    branches: _Branches,
    predict: Predict,
    scheduler: Any,
    timesteps: torch.Tensor,
    guided: Sequence[bool],
    drawn: dict[str, Any],
) -> torch.Tensor:
    on_device = timesteps.to(latents.device)
    for t, own, away in zip(timesteps, on_device, guided, strict=True):
        prediction = branches.predict(predict, scheduler.scale_model_input(latents, t), own, away)
        latents = scheduler.step(prediction, t, latents, return_dict=False, **drawn)[0]
    return latents
