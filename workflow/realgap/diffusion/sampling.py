"""Diffusion Inversion, stage 2: new images from noised and mixed embeddings, and from prompts.

Each (image, variant) has one random stream for its partner, its embedding noise and its initial
latents, so a sample is the same whichever shard or batch it is drawn in.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from realgap import devices, streams
from realgap.diffusion.base_models import Predict

T = TypeVar("T")


def items(image_ids: np.ndarray, variants: int) -> list[tuple[int, int]]:
    """(image_id, variant) of every sample to draw, variants of an image side by side."""
    return [(int(i), v) for i in image_ids for v in range(variants)]


def mix(
    items: Sequence[tuple[int, int]],
    class_embeddings: np.ndarray,
    class_image_ids: np.ndarray,
    *,
    embedding_noise: float,
    mixing_weight: float,
    seed: int,
) -> np.ndarray:
    """The conditioning of each item: c_i + mixing_weight (c_j - c_i) + embedding_noise N(0, 1).

    class_embeddings is float32 (m, tokens, width), of every image of the class whatever its shard; the
    partner j is another image of that class. Returns float32 (n, tokens, width). Raises ValueError when
    the class has no second image to mix with, or an item's image has no embedding.
    """
    order = np.argsort(class_image_ids)
    ids, embeddings = class_image_ids[order], class_embeddings[order]
    if mixing_weight and len(ids) < 2:
        raise ValueError(
            "sampling.diffusion_inversion.mixing_weight: needs a partner of the same class, so at least 2 images "
            f"a class, got {len(ids)}; set it to 0 for a class of one image"
        )
    mixed = []
    for image_id, variant in items:
        stream = streams.stream(seed, "mix", image_id, variant)
        own = int(np.searchsorted(ids, image_id))
        if own == len(ids) or ids[own] != image_id:
            raise ValueError(f"no embedding of image {image_id} among those of its class")
        partner = (own + int(stream.integers(1, len(ids)))) % len(ids) if len(ids) > 1 else own
        noise = stream.standard_normal(embeddings.shape[1:], dtype=np.float32)
        mixed.append(
            embeddings[own] + mixing_weight * (embeddings[partner] - embeddings[own]) + embedding_noise * noise
        )
    return np.stack(mixed).astype(np.float32)


def choose_prompts(items: Sequence[tuple[int, int]], num_prompts: int, seed: int) -> np.ndarray:
    """Which of a class's prompts each item uses, int (n,)."""
    return np.array([streams.stream(seed, "prompt", i, v).integers(num_prompts) for i, v in items])


def initial_latents(items: Sequence[tuple[int, int]], shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Standard normal float32 (n, *shape), one stream per item."""
    return streams.normal((streams.stream(seed, "latents", i, v) for i, v in items), shape)


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
    batch_size: int,
    device: torch.device,
) -> Iterator[T]:
    """What `decode` makes of the scaled latents, float32 (batch, c, h, w), of each batch in turn.

    noise (n, c, h, w); conditioning (n, tokens, width); unconditional (tokens, width), the same for all,
    with as many tokens or other. The prediction is uncond + guidance_scale (cond - uncond); at 1 the
    unconditional branch is not run. A batch that does not fit the device's memory is halved, with a word
    on stderr.
    """

    def draw(rows: slice) -> T:
        scheduler.set_timesteps(num_inference_steps)  # on the host: reading them from a GPU means to wait for it
        latents = torch.from_numpy(noise[rows]).to(device) * scheduler.init_noise_sigma
        branches = _Branches(conditioning[rows], unconditional, guidance_scale, device)
        return decode(_denoise(latents, branches, predict, scheduler))

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

    def predict(self, predict: Predict, latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if self.scale == 1:
            return predict(latents, t.expand(len(latents)), self.conditioning)
        both = torch.cat([latents, latents])
        mask = () if self.mask is None else (self.mask,)
        uncond, cond = predict(both, t.expand(len(both)), self.conditioning, *mask).chunk(2)
        return uncond + self.scale * (cond - uncond)


@torch.inference_mode()
def _denoise(latents: torch.Tensor, branches: _Branches, predict: Predict, scheduler: Any) -> torch.Tensor:
    on_device = scheduler.timesteps.to(latents.device)
    for t, own in zip(scheduler.timesteps, on_device, strict=True):
        prediction = branches.predict(predict, scheduler.scale_model_input(latents, t), own)
        latents = scheduler.step(prediction, t, latents, return_dict=False)[0]
    return latents
