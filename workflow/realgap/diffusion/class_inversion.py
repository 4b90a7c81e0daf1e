"""One embedding for all real images of a class: textual inversion (Gal et al. 2022, arXiv 2208.01618), frozen denoiser.

The optimiser and the loss are those of realgap.diffusion.inversion; here a step sees some images of the class and
all of them move one embedding.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from realgap import devices, streams
from realgap.base_model.denoiser import Predict
from realgap.diffusion import forward


@dataclass(frozen=True)
class State:
    """Where an inversion stands: going on from here ends in the same bits as never having stopped."""

    embedding: np.ndarray  # float32 (1, tokens, width)
    exp_avg: np.ndarray  # Adam's moments, likewise
    exp_avg_sq: np.ndarray
    losses: np.ndarray  # float32 (steps so far,)


def invert(
    state: State,
    mean: np.ndarray,
    std: np.ndarray,
    image_ids: np.ndarray,
    predict: Predict,
    alphas_cumprod: torch.Tensor,
    *,
    prediction_type: str,
    scaling_factor: float,
    steps: int,
    images_per_step: int,
    lr: float,
    weight_decay: float,
    seed: int,
    device: torch.device,
    offer: Callable[[Callable[[], State]], None] = lambda _: None,
) -> Iterator[State]:
    """Optimise the embedding by AdamW, the rate falling to zero by a cosine; yields the state after each step.

    mean, std: VAE posterior moments of the class, float32 (n, c, h, w), unscaled. Every step draws images_per_step of
    the n images without replacement, or all there are; latents, noise and timestep of an image are drawn from a stream
    of the image and the step. The loss is the mean over the step's images. offer: for checkpoints.
    """
    embedding = torch.nn.Parameter(torch.tensor(state.embedding, device=device))
    optimiser = torch.optim.AdamW([embedding], lr=lr, weight_decay=weight_decay)
    losses = list(state.losses)
    if losses:
        optimiser.state[embedding] = {
            "step": torch.tensor(float(len(losses))),
            "exp_avg": torch.tensor(state.exp_avg, device=device),
            "exp_avg_sq": torch.tensor(state.exp_avg_sq, device=device),
        }
    order = np.argsort(image_ids, kind="stable")  # whichever shards the images came in
    for step in range(len(losses), steps):
        optimiser.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = streams.stream(seed, "class step", step).permutation(order)[:images_per_step]
        noisy, target, t = _noised(
            mean[chosen],
            std[chosen],
            image_ids[chosen],
            step,
            alphas_cumprod,
            scaling_factor,
            prediction_type,
            seed,
            device,
        )
        loss = (predict(noisy, t, embedding.expand(len(chosen), -1, -1)) - target).square().mean()
        embedding.grad = torch.autograd.grad(loss, embedding)[0]
        optimiser.step()
        losses.append(float(loss.detach()))
        current = _state(embedding, optimiser, losses)
        yield current
        offer(lambda current=current: current)


def begin(start: np.ndarray) -> State:
    """The state before the first step; start: float32 (tokens, width)."""
    start = start[None].astype(np.float32)
    return State(start, np.zeros_like(start), np.zeros_like(start), np.zeros(0, np.float32))


def _noised(
    mean: np.ndarray,
    std: np.ndarray,
    image_ids: np.ndarray,
    step: int,
    alphas_cumprod: torch.Tensor,
    scaling_factor: float,
    prediction_type: str,
    seed: int,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noised latents of some images, what the denoiser should predict from them, and the timesteps."""
    drawn = [streams.stream(seed, "class visit", i, step) for i in image_ids]
    t = devices.put(np.array([int(s.integers(len(alphas_cumprod))) for s in drawn]), device)
    posterior, noise = devices.put(streams.normal(drawn, (2, *mean.shape[1:])), device).unbind(1)
    latents = (torch.tensor(mean, device=device) + torch.tensor(std, device=device) * posterior) * scaling_factor
    return *forward.noised(latents, noise, t, alphas_cumprod.to(device), prediction_type), t


def _state(embedding: torch.nn.Parameter, optimiser: torch.optim.AdamW, losses: list[float]) -> State:
    moments = optimiser.state[embedding]
    arrays = (embedding.detach(), moments["exp_avg"], moments["exp_avg_sq"])
    return State(*(array.cpu().numpy().copy() for array in arrays), np.array(losses, np.float32))
