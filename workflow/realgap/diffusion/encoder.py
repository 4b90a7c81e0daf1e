"""Amortised inversion: a network that is taught to predict each image's embedding by the loss of inversion itself.

What it predicts is the embedding of the class's prompt, and what a network of one hidden layer adds to it, from the
image's latents and class. Each image takes a gradient step on the network in each round, where inversion would take it
on an embedding of the image's own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from realgap import streams
from realgap.base_model.denoiser import Predict
from realgap.diffusion import inversion

HIDDEN = 512
IMAGES_PER_STEP = 50  # of the optimiser
LR = 1e-3  # of Adam, at first; falls to zero by a half cosine


class Encoder(nn.Module):
    """Latents and classes to embeddings; says the prompt's embedding before it is taught."""

    def __init__(self, numbers: int, prompts: torch.Tensor) -> None:
        """numbers: of an image's latents; prompts: float32 (classes, tokens, width), where the embeddings start."""
        super().__init__()
        self.register_buffer("prompts", prompts)
        self.register_buffer("middle", torch.zeros(numbers))  # of the latents
        self.register_buffer("scale", torch.ones(1))
        self.hidden = nn.Linear(numbers + len(prompts), HIDDEN)
        self.last = nn.Linear(HIDDEN, prompts[0].numel())
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, mean: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Embeddings float32 (n, tokens, width); mean: (n, c, h, w) of the VAE's posterior; classes: int64 (n,)."""
        seen = [(mean.flatten(1) - self.middle) * self.scale, F.one_hot(classes, len(self.prompts)).float()]
        added = self.last(F.gelu(self.hidden(torch.cat(seen, dim=1))))
        return self.prompts[classes] + added.view(-1, *self.prompts.shape[1:])


@dataclass
class State:
    """Where a teaching stands: going on from here ends in the same bits as never having stopped."""

    weights: np.ndarray  # float32 (n,), the network's parameters, one tensor after another
    exp_avg: np.ndarray  # Adam's moments, likewise
    exp_avg_sq: np.ndarray
    steps: np.ndarray  # int64 (1,), of the optimiser so far
    losses: np.ndarray  # float32 (rounds so far,), mean loss of each


def begin(mean: np.ndarray, prompts: np.ndarray, seed: int) -> Encoder:
    """An encoder to teach. mean: float32 (n, c, h, w) of its images; prompts: float32 (classes, tokens, width)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(streams.stream(seed, "encoder").integers(2**62)))
        encoder = Encoder(mean[0].size, torch.from_numpy(prompts))
    latents = mean.reshape(len(mean), -1).astype(np.float64)
    middle = latents.mean(axis=0)
    encoder.middle.copy_(torch.from_numpy(middle))
    encoder.scale.fill_(1 / max(float((latents - middle).std()), 1e-12))
    return encoder


def teach(
    encoder: Encoder,
    mean: np.ndarray,
    std: np.ndarray,
    image_ids: np.ndarray,
    classes: np.ndarray,
    predict: Predict,
    alphas_cumprod: torch.Tensor,
    *,
    rounds: int,
    batch_size: int,
    prediction_type: str,
    scaling_factor: float,
    seed: int,
    device: torch.device,
    state: State | None = None,
) -> Iterator[State]:
    """Teach in place, one gradient step of each image a round; yields the state after each round.

    mean, std: VAE posterior moments, float32 (n, c, h, w), unscaled; image_ids, classes: int64 (n,). batch_size: images
    worked on side by side; it changes speed and memory only. The order of images counts for nothing.
    """
    order = np.argsort(image_ids, kind="stable")
    encoder.to(device)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=LR)
    losses = [] if state is None else _restore(encoder, optimiser, state)
    of_round = -(-len(order) // IMAGES_PER_STEP)
    for number in range(len(losses), rounds):
        shuffled = streams.stream(seed, "teaching", number).permutation(order)
        total = 0.0
        for place, rows in enumerate(np.array_split(shuffled, of_round)):
            done = (number * of_round + place) / (rounds * of_round)
            optimiser.param_groups[0]["lr"] = LR * 0.5 * (1 + math.cos(math.pi * done))
            optimiser.zero_grad(set_to_none=True)
            for part in np.array_split(rows, -(-len(rows) // batch_size)):
                about = alphas_cumprod, scaling_factor, prediction_type, seed, device
                batch = inversion.Batch(mean[part], std[part], image_ids[part], *about, purpose="taught")
                noised = batch.noised(*batch.draw(number, "stratified"))
                total += _learn(encoder, batch.mean, classes[part], noised, predict, len(rows))
            optimiser.step()
        losses.append(total / len(order))
        yield _state(encoder, optimiser, losses)


@torch.no_grad()
def predicted(encoder: Encoder, mean: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Embeddings float32 (n, tokens, width), each computed by itself: its bits do not depend on the other images.

    Raises ValueError for latents of another size than those it was taught on.
    """
    if mean[0].size != len(encoder.middle):
        raise ValueError(f"encoder: must be of latents of {mean[0].size} numbers, is of {len(encoder.middle)}")
    rows = zip(torch.from_numpy(mean), torch.from_numpy(classes), strict=True)
    return torch.cat([encoder(latents[None], label[None]) for latents, label in rows]).numpy()


def pack(encoder: Encoder) -> np.ndarray:
    """All that an encoder holds, float32 (n,)."""
    return torch.cat([tensor.flatten().float() for tensor in encoder.cpu().state_dict().values()]).numpy()


def unpack(packed: np.ndarray, numbers: int, prompts: tuple[int, int, int]) -> Encoder:
    """The encoder of `pack`; prompts: (classes, tokens, width). ValueError where there is more or less."""
    encoder = Encoder(numbers, torch.zeros(prompts))
    state = encoder.state_dict()
    if (held := sum(tensor.numel() for tensor in state.values())) != len(packed):
        raise ValueError(f"encoder: must hold {held} numbers, holds {len(packed)}")
    parts = torch.from_numpy(packed).split([tensor.numel() for tensor in state.values()])
    encoder.load_state_dict({key: part.view_as(state[key]) for key, part in zip(state, parts, strict=True)})
    return encoder


def _learn(
    encoder: Encoder,
    mean: torch.Tensor,
    classes: np.ndarray,
    noised: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    predict: Predict,
    of: int,
) -> float:
    """Add the gradient of these images' loss, the mean over `of` images, to the encoder's; the sum of their losses."""
    latents, target, t = noised
    embeddings = encoder(mean, torch.from_numpy(classes).to(mean.device))
    given = embeddings.detach().requires_grad_()
    losses = (predict(latents, t, given) - target).square().flatten(1).mean(1)
    gradient = torch.autograd.grad(inversion.GRADIENT_SCALE * losses.sum(), given)[0]
    embeddings.backward(gradient / (inversion.GRADIENT_SCALE * of))
    return float(losses.detach().sum())


def _state(encoder: Encoder, optimiser: torch.optim.Adam, losses: list[float]) -> State:
    own = list(encoder.parameters())
    moments = [[optimiser.state[one][name] for one in own] for name in ("exp_avg", "exp_avg_sq")]
    flat = [torch.cat([one.detach().flatten() for one in tensors]).cpu().numpy() for tensors in (own, *moments)]
    steps = int(optimiser.state[own[0]]["step"])
    return State(*flat, np.array([steps]), np.array(losses, np.float32))


def _restore(encoder: Encoder, optimiser: torch.optim.Adam, state: State) -> list[float]:
    """Put the state into encoder and optimiser; the losses so far."""
    own = list(encoder.parameters())
    sizes = [one.numel() for one in own]
    held = [torch.from_numpy(values).split(sizes) for values in (state.weights, state.exp_avg, state.exp_avg_sq)]
    with torch.no_grad():
        for one, weights, *moments in zip(own, *held, strict=True):
            one.copy_(weights.view_as(one))
            first, second = (moment.view_as(one).to(one.device) for moment in moments)
            step = torch.tensor(float(state.steps[0]))
            optimiser.state[one] = {"step": step, "exp_avg": first.clone(), "exp_avg_sq": second.clone()}
    return state.losses.tolist()
