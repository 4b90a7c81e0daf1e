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

from realgap import devices, streams
from realgap.base_model.denoiser import Predict
from realgap.diffusion import forward

PARTS = 50  # of a run: the points of the loss trace, and where it can be interrupted and taken up again
STRATA = 16  # of [0, num_train_timesteps): each is visited once in 16 visits
# The gradient is that of 1,024 losses, divided by 1,024 afterwards: exact in float32 and bfloat16, and float16
# loses what is below 6e-8 otherwise.
GRADIENT_SCALE = 1024.0


@dataclass(frozen=True)
class Settings:
    """How embeddings are found.

    An image has had enough when its loss on a fixed set of (timestep, noise) pairs has stopped falling: the set says
    what the noisy losses of the visits do not (Voronov et al. 2023, arXiv 2302.04841).
    """

    steps_per_image: int
    lr: float
    lr_schedule: str  # "constant" or "cosine" (to zero)
    weight_decay: float
    timesteps: str  # "uniform" or "stratified" (each image visits each of 16 equal parts of time once in 16 visits)
    batch_size: int
    early_stopping_patience: int | None  # parts of the run without a new minimum; None: every image gets all steps
    early_stopping_tolerance: float  # what counts as a new minimum: lower by this share
    early_stopping_pairs: int  # timesteps spread evenly over time, with a noise for each

    @property
    def stops_early(self) -> bool:
        return self.early_stopping_patience is not None


@dataclass
class State:
    """Everything that a run of `invert` needs to go on, row by row: n images of `parts` parts each."""

    embeddings: np.ndarray  # float32 (n, tokens, width)
    exp_avg: np.ndarray  # Adam's moments, float32 (n, tokens, width)
    exp_avg_sq: np.ndarray
    losses: np.ndarray  # float32 (n, parts), mean loss of the visits in each part; NaN where there were none
    parts_done: np.ndarray  # int32 (n,)
    stopped: np.ndarray  # bool (n,), by early stopping or because it failed
    failed: np.ndarray  # bool (n,), where NaN or infinity arose
    # with early stopping only: the embedding with the lowest loss on the fixed set, that loss, parts since then
    best: np.ndarray
    best_losses: np.ndarray  # float32 (n,)
    stale: np.ndarray  # int32 (n,)

    def result(self) -> np.ndarray:
        """The embeddings to keep, float32 (n, tokens, width)."""
        return self.best if len(self.best) else self.embeddings

    def visits(self, of: int) -> np.ndarray:
        """How many of the `of` visits each image has had, int32 (n,)."""
        return _begin_of(self.parts_done.astype(np.int64), self.losses.shape[1], of).astype(np.int32)


def begin(start: np.ndarray, visits: int, early_stopping: bool = False) -> State:
    """The state before the first visit; `start` is float32 (n, tokens, width)."""
    start = start.astype(np.float32)
    n, kept = len(start), len(start) if early_stopping else 0
    return State(
        embeddings=start.copy(),
        exp_avg=np.zeros_like(start),
        exp_avg_sq=np.zeros_like(start),
        losses=np.full((n, min(PARTS, visits)), np.nan, np.float32),
        parts_done=np.zeros(n, np.int32),
        stopped=np.zeros(n, bool),
        failed=np.zeros(n, bool),
        best=start[:kept].copy(),
        best_losses=np.full(kept, np.inf, np.float32),
        stale=np.zeros(kept, np.int32),
    )


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
    settings: Settings,
    *,
    prediction_type: str,
    scaling_factor: float,
    seed: int,
    device: torch.device,
) -> Iterator[State]:
    """Optimise the embeddings in `state`, batch after batch; yields the state after each part of a batch's visits.

    mean, std: VAE posterior moments, float32 (n, c, h, w), unscaled; the latents are sampled anew from
    them at each visit.
    The state yielded is current: saved and handed in again, it goes on bit for bit. A batch that does not
    fit the device's memory is halved, with a word on stderr. An image that stops early leaves its batch, and
    so does one in whose loss or embedding NaN or infinity arises: rows of a batch do not touch one another.
    """
    parts, visits, batch_size = state.losses.shape[1], settings.steps_per_image, settings.batch_size

    def visit_part(rows: np.ndarray) -> tuple:
        part = int(state.parts_done[rows[0]])
        span = range(_begin_of(part, parts, visits), _begin_of(part + 1, parts, visits))
        rates = [settings.lr * _lr_factor(settings.lr_schedule, visit, visits) for visit in span]
        batch = Batch(
            mean[rows], std[rows], image_ids[rows], alphas_cumprod, scaling_factor, prediction_type, seed, device
        )
        embeddings = torch.nn.Parameter(torch.tensor(state.embeddings[rows], device=device))
        optimiser = torch.optim.AdamW([embeddings], lr=settings.lr, weight_decay=settings.weight_decay)
        _restore(optimiser, embeddings, state, rows, span.start)
        drawn = devices.ahead((batch.draw(v, settings.timesteps) for v in span), device)
        losses = _optimise(embeddings, optimiser, rates, (batch.noised(*numbers) for numbers in drawn), predict)
        pairs = settings.early_stopping_pairs
        fixed = batch.fixed_loss(embeddings.detach(), predict, pairs) if settings.stops_early else None
        return embeddings, optimiser, losses, fixed

    while len(rows := _next_rows(state, batch_size)):
        done, (embeddings, optimiser, losses, fixed) = devices.fitting(visit_part, rows)
        if len(done) < len(rows):
            batch_size = len(done)
        _store(state, done, embeddings, optimiser, losses)
        if settings.stops_early:
            _judge(state, done, fixed, settings)
        _isolate(state, done, losses)
        yield state


def _next_rows(state: State, batch_size: int) -> np.ndarray:
    """Up to batch_size unfinished images that stand where the first unfinished one stands."""
    unfinished = ~state.stopped & (state.parts_done < state.losses.shape[1])
    if not unfinished.any():
        return np.array([], np.int64)
    first = int(np.argmax(unfinished))
    return np.flatnonzero(unfinished & (state.parts_done == state.parts_done[first]))[:batch_size]


def _optimise(
    embeddings: torch.nn.Parameter,
    optimiser: torch.optim.Optimizer,
    rates: list[float],
    draws: Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    predict: Predict,
) -> np.ndarray:
    """One visit after another, in place; the mean loss of each image, float32 (batch,)."""
    total = torch.zeros(len(embeddings), device=embeddings.device)
    for rate, (latents, target, t) in zip(rates, draws, strict=True):
        optimiser.param_groups[0]["lr"] = rate
        losses = (predict(latents, t, embeddings) - target).square().flatten(1).mean(1)
        # summed over images: what an embedding becomes does not depend on how many share its batch
        gradient = torch.autograd.grad(GRADIENT_SCALE * losses.sum(), embeddings)[0]
        embeddings.grad = gradient / GRADIENT_SCALE
        optimiser.step()
        total += losses.detach()
    return (total / len(rates)).cpu().numpy()


class Batch:
    """The images of one batch on the device, and what a visit draws for them."""

    def __init__(
        self,
        mean: np.ndarray,
        std: np.ndarray,
        image_ids: np.ndarray,
        alphas_cumprod: torch.Tensor,
        scaling_factor: float,
        prediction_type: str,
        seed: int,
        device: torch.device,
        purpose: str = "visit",
    ) -> None:
        self.purpose = purpose  # of the streams that it draws from
        self.mean, self.std = torch.tensor(mean, device=device), torch.tensor(std, device=device)
        self.image_ids, self.scaling_factor, self.device = image_ids, scaling_factor, device
        self.alphas_cumprod, self.prediction_type, self.seed = alphas_cumprod.to(device), prediction_type, seed
        self.cycle, self.strata = -1, np.empty((0, STRATA), np.int64)  # of 16 visits, drawn once

    def draw(self, visit: int, timesteps: str) -> tuple[np.ndarray, np.ndarray]:
        """What a visit takes of chance: float32 (batch, 2, c, h, w), standard normal, and float64 (batch,) in [0, 1).

        On the host, and next to all that a step needs of it besides launching (workflow/docs/speed.md).
        """
        drawn = [streams.stream(self.seed, self.purpose, i, visit) for i in self.image_ids]
        u = np.array([s.random() for s in drawn])
        if timesteps == "stratified":
            u = (self._strata(visit) + u) / STRATA
        return streams.normal(drawn, (2, *self.mean.shape[1:])), u

    def noised(self, normal: np.ndarray, u: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Noised latents, what the denoiser should predict from them, and the timesteps, of what `draw` has drawn."""
        posterior, noise = devices.put(normal, self.device).unbind(1)
        return self._noised(self.mean + self.std * posterior, noise, u)

    @torch.no_grad()
    def fixed_loss(self, embeddings: torch.Tensor, predict: Predict, pairs: int) -> np.ndarray:
        """Mean loss of each image on its own `pairs` of timestep and noise, the same at every call, float32 (batch,).

        The latents are the posterior's mean, the timesteps the middles of equal parts of time.
        """
        total = torch.zeros(len(embeddings), device=self.device)
        for pair in range(pairs):
            drawn = [streams.stream(self.seed, "fixed", i, pair) for i in self.image_ids]
            noise = devices.put(streams.normal(drawn, tuple(self.mean.shape[1:])), self.device)
            latents, target, t = self._noised(self.mean, noise, np.full(len(drawn), (pair + 0.5) / pairs))
            total += (predict(latents, t, embeddings) - target).square().flatten(1).mean(1)
        return (total / pairs).cpu().numpy()

    def _noised(
        self, unscaled: torch.Tensor, noise: torch.Tensor, u: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Noised latents, target and timesteps at shares u of time, float64 (batch,) in [0, 1)."""
        t = devices.put((u * len(self.alphas_cumprod)).astype(np.int64), self.device)
        latents = unscaled * self.scaling_factor
        return *forward.noised(latents, noise, t, self.alphas_cumprod, self.prediction_type), t

    def _strata(self, visit: int) -> np.ndarray:
        """Which part of time each image visits: a fresh permutation of all parts per image and cycle."""
        cycle, position = divmod(visit, STRATA)
        if cycle != self.cycle:
            drawn = [streams.stream(self.seed, "strata", i, cycle).permutation(STRATA) for i in self.image_ids]
            self.cycle, self.strata = cycle, np.array(drawn)
        return self.strata[:, position]


def _lr_factor(schedule: str, visit: int, visits: int) -> float:
    return 1.0 if schedule == "constant" else 0.5 * (1 + math.cos(math.pi * visit / visits))


def _begin_of(part: int | np.ndarray, parts: int, visits: int) -> int | np.ndarray:
    """The first visit of a part, the visits being cut into parts as equal as they can be."""
    return part * visits // parts


def _restore(
    optimiser: torch.optim.AdamW, embeddings: torch.nn.Parameter, state: State, rows: np.ndarray, visit: int
) -> None:
    """Adam as it stood after `visit` visits of these images."""
    if visit:
        optimiser.state[embeddings] = {
            "step": torch.tensor(float(visit)),
            "exp_avg": torch.tensor(state.exp_avg[rows], device=embeddings.device),
            "exp_avg_sq": torch.tensor(state.exp_avg_sq[rows], device=embeddings.device),
        }


def _store(
    state: State,
    rows: np.ndarray,
    embeddings: torch.nn.Parameter,
    optimiser: torch.optim.AdamW,
    losses: np.ndarray,
) -> None:
    moments = optimiser.state[embeddings]
    state.embeddings[rows] = embeddings.detach().cpu().numpy()
    state.exp_avg[rows], state.exp_avg_sq[rows] = (moments[m].cpu().numpy() for m in ("exp_avg", "exp_avg_sq"))
    state.losses[rows, state.parts_done[rows]] = losses
    state.parts_done[rows] += 1


def _judge(state: State, rows: np.ndarray, losses: np.ndarray, settings: Settings) -> None:
    """Keep new minima of the loss on the fixed set; stop the images that have been without one for too long."""
    lower = losses < state.best_losses[rows] * (1 - settings.early_stopping_tolerance)
    improved = rows[lower]
    state.best[improved], state.best_losses[improved] = state.embeddings[improved], losses[lower]
    state.stale[rows] = np.where(lower, 0, state.stale[rows] + 1)
    state.stopped[rows] = state.stale[rows] >= settings.early_stopping_patience


def _isolate(state: State, rows: np.ndarray, losses: np.ndarray) -> None:
    """Stop the images that are no longer finite numbers."""
    failed = rows[~(np.isfinite(losses) & np.isfinite(state.embeddings[rows]).all(axis=(1, 2)))]
    state.failed[failed] = state.stopped[failed] = True
