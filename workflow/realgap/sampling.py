"""Diffusion Inversion, stage 2: new images from noised and mixed embeddings, and from prompts.

Each (image, variant) has one random stream for its partner, its embedding noise and its initial
latents, so a sample is the same whichever shard or batch it is drawn in.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from realgap import streams
from realgap.models import Predict


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


def sample(
    noise: np.ndarray,
    conditioning: np.ndarray,
    unconditional: np.ndarray,
    predict: Predict,
    scheduler: Any,
    *,
    num_inference_steps: int,
    guidance_scale: float,
    batch_size: int,
    device: torch.device,
) -> Iterator[torch.Tensor]:
    """Scaled latents of each batch in turn, float32 (batch, c, h, w).

    noise (n, c, h, w); conditioning (n, tokens, width); unconditional (tokens, width), the same for all.
    The prediction is uncond + guidance_scale (cond - uncond); at 1 the unconditional branch is not run.
    """
    for first in range(0, len(noise), batch_size):
        rows = slice(first, first + batch_size)
        cond = torch.from_numpy(conditioning[rows]).to(device)
        uncond = torch.from_numpy(unconditional).to(device).expand_as(cond)
        scheduler.set_timesteps(num_inference_steps, device=device)
        latents = torch.from_numpy(noise[rows]).to(device) * scheduler.init_noise_sigma
        yield _denoise(latents, cond, uncond, predict, scheduler, guidance_scale)


@torch.inference_mode()
def _denoise(
    latents: torch.Tensor,
    cond: torch.Tensor,
    uncond: torch.Tensor,
    predict: Predict,
    scheduler: Any,
    guidance_scale: float,
) -> torch.Tensor:
    guided = guidance_scale != 1
    both = torch.cat([uncond, cond]) if guided else cond
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, t)
        model_input = torch.cat([scaled, scaled]) if guided else scaled
        prediction = predict(model_input, t.expand(len(model_input)), both)
        if guided:
            without, with_condition = prediction.chunk(2)
            prediction = without + guidance_scale * (with_condition - without)
        latents = scheduler.step(prediction, t, latents, return_dict=False)[0]
    return latents
