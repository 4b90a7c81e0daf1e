"""Diffusion Inversion, stage 1: one conditioning embedding per real image, the denoiser frozen.

Zhou et al. 2023, "Training on Thin Air" (arXiv 2305.15316). Each image owns its embedding, its Adam
state and its random streams, and the loss is summed over images, so that an embedding does not depend
on which images share its batch or shard (to float tolerance; bit for bit for the same batch layout).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from realgap import streams
from realgap.models import Predict

PARTS = 50  # of a run: the points of the loss trace, and where it can be interrupted and taken up again
STRATA = 16  # of [0, num_train_timesteps): each is visited once in 16 visits


@dataclass
class State:
    """Everything that a run of `invert` needs to go on: finished rows, the batch at hand and its optimiser."""

    embeddings: np.ndarray  # float32 (n, tokens, width)
    losses: np.ndarray  # float32 (n, parts), mean loss of the visits in each part of the run
    first: int = 0  # row at which the batch at hand begins
    part: int = 0  # parts of its visits that the batch at hand has had
    exp_avg: np.ndarray | None = None  # Adam's moments of the batch at hand
    exp_avg_sq: np.ndarray | None = None


def begin(start: np.ndarray, visits: int) -> State:
    """The state before the first visit; `start` is float32 (n, tokens, width)."""
    return State(start.astype(np.float32).copy(), np.zeros((len(start), min(PARTS, visits)), np.float32))


def random_start(image_ids: np.ndarray, num_tokens: int, width: int, scale: float, seed: int) -> np.ndarray:
    """U(-scale, scale) float32 (n, num_tokens, width), one stream per image."""
    return np.stack(
        [
            streams.stream(seed, "start", i).uniform(-scale, scale, (num_tokens, width)).astype(np.float32)
            for i in image_ids
        ]
    )


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
    visits: int,
    lr: float,
    lr_schedule: str,
    weight_decay: float,
    timesteps: str,
    seed: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[State]:
    """Optimise the embeddings in `state`, batch after batch; yields the state after each part of a batch's visits.

    mean, std: VAE posterior moments, float32 (n, c, h, w), unscaled; the latents are sampled anew from
    them at each visit. lr_schedule: "constant" or "cosine" (to zero); timesteps: "uniform" or
    "stratified" (each image visits each of 16 equal parts of time once in 16 visits).
    The state yielded is current: saved and handed in again, it goes on bit for bit.
    """
    n = len(image_ids)
    while state.first < n:
        rows = slice(state.first, min(state.first + batch_size, n))
        batch = _Batch(mean[rows], std[rows], image_ids[rows], alphas_cumprod, scaling_factor, device)
        embeddings = torch.nn.Parameter(torch.tensor(state.embeddings[rows], device=device))
        optimiser = torch.optim.AdamW([embeddings], lr=lr, weight_decay=weight_decay)
        _resume(optimiser, embeddings, state, visits)
        parts = state.losses.shape[1]
        while state.part < parts:
            span = range(_begin_of(state.part, parts, visits), _begin_of(state.part + 1, parts, visits))
            total = torch.zeros(len(batch.image_ids), device=device)
            for visit in span:
                optimiser.param_groups[0]["lr"] = lr * _lr_factor(lr_schedule, visit, visits)
                latents, target, t = batch.draw(visit, timesteps, prediction_type, seed)
                losses = (predict(latents, t, embeddings) - target).square().flatten(1).mean(1)
                embeddings.grad = torch.autograd.grad(losses.sum(), embeddings)[0]
                optimiser.step()
                total += losses.detach()
            state.losses[rows, state.part] = (total / len(span)).cpu().numpy()
            state.part += 1
            _store(state, rows, embeddings, optimiser)
            yield state
        state.first, state.part, state.exp_avg, state.exp_avg_sq = rows.stop, 0, None, None


class _Batch:
    """The images of one batch on the device, and what a visit draws for them."""

    def __init__(
        self,
        mean: np.ndarray,
        std: np.ndarray,
        image_ids: np.ndarray,
        alphas_cumprod: torch.Tensor,
        scaling_factor: float,
        device: torch.device,
    ) -> None:
        self.mean, self.std = torch.tensor(mean, device=device), torch.tensor(std, device=device)
        self.image_ids, self.scaling_factor, self.device = image_ids, scaling_factor, device
        self.alphas_cumprod = alphas_cumprod.to(device)

    def draw(
        self, visit: int, timesteps: str, prediction_type: str, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Noised latents, what the denoiser should predict from them, and the timesteps."""
        shape, steps = tuple(self.mean.shape[1:]), len(self.alphas_cumprod)
        drawn = [streams.stream(seed, "visit", i, visit) for i in self.image_ids]
        u = np.array([s.random() for s in drawn])
        if timesteps == "stratified":
            u = (self._strata(visit, seed) + u) / STRATA
        t = torch.from_numpy((u * steps).astype(np.int64)).to(self.device)
        posterior, noise = torch.from_numpy(streams.normal(drawn, (2, *shape))).to(self.device).unbind(1)
        latents = (self.mean + self.std * posterior) * self.scaling_factor
        signal = self.alphas_cumprod[t].sqrt().view(-1, 1, 1, 1)
        sigma = (1 - self.alphas_cumprod[t]).sqrt().view(-1, 1, 1, 1)
        target = noise if prediction_type == "epsilon" else signal * noise - sigma * latents
        return signal * latents + sigma * noise, target, t

    def _strata(self, visit: int, seed: int) -> np.ndarray:
        """Which part of time each image visits: a fresh permutation of all parts per image and cycle."""
        cycle, position = divmod(visit, STRATA)
        return np.array(
            [streams.stream(seed, "strata", i, cycle).permutation(STRATA)[position] for i in self.image_ids]
        )


def _lr_factor(schedule: str, visit: int, visits: int) -> float:
    return 1.0 if schedule == "constant" else 0.5 * (1 + math.cos(math.pi * visit / visits))


def _begin_of(part: int, parts: int, visits: int) -> int:
    """The first visit of a part, the visits being cut into parts as equal as they can be."""
    return part * visits // parts


def _resume(optimiser: torch.optim.AdamW, embeddings: torch.nn.Parameter, state: State, visits: int) -> None:
    if state.exp_avg is not None:
        optimiser.state[embeddings] = {
            "step": torch.tensor(float(_begin_of(state.part, state.losses.shape[1], visits))),
            "exp_avg": torch.tensor(state.exp_avg, device=embeddings.device),
            "exp_avg_sq": torch.tensor(state.exp_avg_sq, device=embeddings.device),
        }


def _store(state: State, rows: slice, embeddings: torch.Tensor, optimiser: torch.optim.AdamW) -> None:
    moments = optimiser.state[embeddings]
    state.embeddings[rows] = embeddings.detach().cpu().numpy()
    state.exp_avg, state.exp_avg_sq = moments["exp_avg"].cpu().numpy(), moments["exp_avg_sq"].cpu().numpy()
