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
) -> Iterator[Callable[[], State]]:
    """Optimise the embedding by AdamW, the rate falling by a cosine; yields after each step what gives the state then.

    mean, std: VAE posterior moments of the class, float32 (n, c, h, w), unscaled. Every step draws images_per_step of
    the n images without replacement, or all there are; latents, noise and timestep of an image are drawn from a stream
    of the image and the step. The loss is the mean over the step's images. Whoever asks for a state waits for the
    device; the steps themselves do not.
    """
    images = _Images(mean, std, image_ids, images_per_step, alphas_cumprod, scaling_factor, prediction_type, device)
    embedding = torch.nn.Parameter(torch.tensor(state.embedding, device=device))
    optimiser = torch.optim.AdamW([embedding], lr=lr, weight_decay=weight_decay)
    losses = list(torch.tensor(state.losses, device=device))
    first = len(losses)
    if losses:
        optimiser.state[embedding] = {
            "step": torch.tensor(float(first)),
            "exp_avg": torch.tensor(state.exp_avg, device=device),
            "exp_avg_sq": torch.tensor(state.exp_avg_sq, device=device),
        }
    drawn = devices.ahead((images.draw(step, seed) for step in range(first, steps)), device)
    for step, numbers in enumerate(drawn, first):
        optimiser.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        noisy, target, t = images.noised(*numbers)
        loss = (predict(noisy, t, embedding.expand(len(t), -1, -1)) - target).square().mean()
        embedding.grad = torch.autograd.grad(loss, embedding)[0]
        optimiser.step()
        losses.append(loss.detach())
        yield lambda: _state(embedding, optimiser, losses)


def begin(start: np.ndarray) -> State:
    """The state before the first step; start: float32 (tokens, width)."""
    start = start[None].astype(np.float32)
    return State(start, np.zeros_like(start), np.zeros_like(start), np.zeros(0, np.float32))


class _Images:
    """The real images of the class on the device, and what a step draws of them."""

    def __init__(
        self,
        mean: np.ndarray,
        std: np.ndarray,
        image_ids: np.ndarray,
        per_step: int,
        alphas_cumprod: torch.Tensor,
        scaling_factor: float,
        prediction_type: str,
        device: torch.device,
    ) -> None:
        self.mean, self.std = torch.tensor(mean, device=device), torch.tensor(std, device=device)
        self.image_ids, self.per_step, self.device = image_ids, per_step, device
        self.order = np.argsort(image_ids, kind="stable")  # whichever shards the images came in
        self.alphas_cumprod, self.scaling_factor = alphas_cumprod.to(device), scaling_factor
        self.prediction_type = prediction_type

    def draw(self, step: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which images, int64 (batch,), at which timesteps, int64 (batch,), and float32 (batch, 2, c, h, w), normal."""
        chosen = streams.stream(seed, "class step", step).permutation(self.order)[: self.per_step]
        drawn = [streams.stream(seed, "class visit", i, step) for i in self.image_ids[chosen]]
        t = np.array([int(s.integers(len(self.alphas_cumprod))) for s in drawn])
        return chosen, t, streams.normal(drawn, (2, *self.mean.shape[1:]))

    def noised(
        self, chosen: np.ndarray, t: np.ndarray, normal: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Noised latents of some images, what the denoiser should predict from them, and the timesteps."""
        rows, t = devices.put(chosen, self.device), devices.put(t, self.device)
        posterior, noise = devices.put(normal, self.device).unbind(1)
        latents = (self.mean[rows] + self.std[rows] * posterior) * self.scaling_factor
        return *forward.noised(latents, noise, t, self.alphas_cumprod, self.prediction_type), t


def _state(embedding: torch.nn.Parameter, optimiser: torch.optim.AdamW, losses: list[torch.Tensor]) -> State:
    moments = optimiser.state[embedding]
    arrays = (embedding.detach(), moments["exp_avg"], moments["exp_avg_sq"], torch.stack(losses))
    return State(*(array.cpu().numpy().copy() for array in arrays))
