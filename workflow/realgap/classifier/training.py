"""Train a torchvision classifier on a training set and say what it predicts on real images.

Every training set gets the same number of optimiser steps at the same batch size, and the last state is
kept: nothing is chosen by looking at test images.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from realgap import devices, streams
from realgap.classifier import augmentation, networks
from realgap.store.rows import Rows
from realgap.study import limits, sources

AHEAD = 3  # batches that are read before they are needed, where images stay on disk


@dataclass(frozen=True)
class State:
    """Where a training stands: going on from here ends in the same bits as never having stopped."""

    losses: np.ndarray  # float32 (steps so far,)
    weights: np.ndarray  # float32 (n,), the model's state, one tensor after another
    momenta: np.ndarray  # float32 (m,), the optimiser's for the learned parameters, likewise


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a classifier is trained."""

    steps: int  # of the optimiser
    batch_size: int
    lr: float  # the highest
    warmup: float  # share of the steps in which the rate rises
    momentum: float
    weight_decay: float
    label_smoothing: float
    crop_padding: int  # px
    horizontal_flip: bool
    epochs: float | None = None  # passes over the training set, instead of `steps`
    augmentation: list[str] = field(default_factory=list)  # of realgap.classifier.augmentation, besides crop and flip
    class_balance: str = "natural"  # images are drawn as often as there are; balanced: each class as often as another
    backbone_lr: float | None = (
        None  # the highest, of all but the last linear layer; None: lr; 0: they stay as they are
    )


def train(
    model: nn.Module,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    shares: Sequence[float],
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    frozen: Sequence[nn.Module | nn.Parameter] = (),
    state: State | None = None,
    offer: Callable[[Callable[[], State]], None] = lambda _: None,
) -> Iterator[torch.Tensor]:
    """Train `model` in place; yields the loss of each step, on the device.

    parts: (images uint8 (n, h, w, 3), labels int64 (n,)) of each source, e.g. real and generated; images may be Rows,
    which are read batch by batch. shares: the share of every batch drawn from each, adding to 1. SGD with Nesterov
    momentum, linear warm-up for the given share of the steps, then cosine to zero. frozen: parameters, and modules
    whose weights and running statistics stay as they are. state: where to go on from; the losses up to there are
    yielded first. offer: given a function that makes the state after each step, for a checkpoint.
    """
    model.to(device, memory_format=_memory_format(dtype)).train()
    for item in frozen:
        _freeze(item)
    if settings.backbone_lr == 0:
        _freeze(model)
        networks.inner(model).get_submodule(networks.head(model)).requires_grad_(True)
    counts = sources.batch_counts(shares, settings.batch_size)
    classes = 1 + max(int(labels.max()) for _, labels in parts)
    optimiser = torch.optim.SGD(
        _learned(model, settings),
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    highest = [group["lr"] for group in optimiser.param_groups]
    # one piece for all: a tensor kept of each step would leave the heap in pieces too small for the next batch
    losses = torch.empty(settings.steps, device=device)
    known = [] if state is None else _restore(model, optimiser, state, device)
    for step, loss in enumerate(known):
        losses[step] = loss
        yield losses[step]
    batches = _batches(parts, counts, settings, range(len(known), settings.steps), seed, device)
    for step, (pixels, targets) in enumerate(batches, start=len(known)):
        for group, lr in zip(optimiser.param_groups, highest, strict=True):
            group["lr"] = lr * _lr_factor(step, settings.steps, settings.warmup)
        x, wanted = _augmented(pixels, targets, settings, classes, seed, step)
        with devices.autocast(device, dtype), _own_draws(model, device, seed, step):
            logits = model(x.contiguous(memory_format=_memory_format(dtype)))
        loss = F.cross_entropy(logits.float(), wanted, label_smoothing=settings.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses[step] = loss.detach()
        yield losses[step]
        offer(lambda done=step + 1: _state(model, optimiser, [losses[:done]]))


def _batches(
    parts: Sequence[tuple[np.ndarray | Rows, np.ndarray]],
    counts: Sequence[int],
    settings: Settings,
    steps: range,
    seed: int,
    device: torch.device,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Images uint8 (n, h, w, 3) and labels of each step, on the device: which ones depends on seed and step alone."""
    balanced = settings.class_balance == "balanced"
    drawn = [_by_class(labels) if balanced else [np.arange(len(labels))] for _, labels in parts]
    on_disk = any(isinstance(images, Rows) for images, _ in parts)
    held = parts if on_disk else [_to_device(images, labels, device) for images, labels in parts]

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, targets = [], []
        for part, ((images, labels), own, count) in enumerate(zip(held, drawn, counts, strict=True)):
            rows = _rows(step * count, count, own, seed, part)
            if on_disk:
                pixels.append(torch.from_numpy(images[rows]))
                targets.append(torch.from_numpy(labels[rows]))
            else:
                rows = devices.put(rows, device)
                pixels.append(images[rows])
                targets.append(labels[rows])
        return torch.cat(pixels), torch.cat(targets)

    if not on_disk:
        yield from map(batch, steps)
        return
    with ThreadPoolExecutor(max_workers=1) as reader:  # one: the order of passes is remembered for one at a time
        waiting = deque(reader.submit(batch, step) for step in steps[:AHEAD])
        for step in steps:
            pixels, targets = waiting.popleft().result()
            if step + AHEAD in steps:
                waiting.append(reader.submit(batch, step + AHEAD))
            yield pixels.to(device), targets.to(device)


@contextmanager
def _own_draws(model: nn.Module, device: torch.device, seed: int, step: int) -> Iterator[None]:
    """What layers drop in a step depends on the step alone, and not on where a training was stopped."""
    drops = [module for module in model.modules() if module.training and _drops(module)]
    if not drops:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(streams.stream(seed, "drop", step).integers(2**62)))
        yield


def _drops(module: nn.Module) -> bool:
    """torch's dropout and torchvision's stochastic depth have a rate p, timm's a drop_prob."""
    rates = getattr(module, "p", None), getattr(module, "drop_prob", None)
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


def _freeze(item: nn.Module | nn.Parameter) -> None:
    item.requires_grad_(False)
    if isinstance(item, nn.Module):
        item.eval()


def _learned(model: nn.Module, settings: Settings) -> list[dict]:
    """The parameters that learn, as groups of the optimiser: one, or the backbone's and the new head's."""
    learned = {name: own for name, own in networks.inner(model).named_parameters() if own.requires_grad}
    if settings.backbone_lr is None:
        return [{"params": list(learned.values())}]
    head = f"{networks.head(model)}."
    groups = [
        {"params": [own for name, own in learned.items() if name.startswith(head) == is_head], "lr": lr}
        for is_head, lr in ((False, settings.backbone_lr), (True, settings.lr))
    ]
    return [group for group in groups if group["params"]]


def steps_of(settings: Settings, images: int) -> int:
    """Optimiser steps of a training on so many images: as many as are said, or as its epochs take."""
    if settings.epochs is None:
        return settings.steps
    return max(1, math.ceil(settings.epochs * images / settings.batch_size))


def _augmented(
    images: torch.Tensor, targets: torch.Tensor, settings: Settings, classes: int, seed: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixel values (n, 3, h, w) of a batch uint8 (n, h, w, 3), changed at random, and what is to be said of them."""
    names = settings.augmentation
    images = augmentation.policy(images, names, streams.stream(seed, "policy", step))
    stream = streams.stream(seed, "augment", step)
    x = to_pixel_values(augmentation.crop(images, settings.crop_padding, settings.horizontal_flip, stream))
    x = augmentation.erase(x, names, streams.stream(seed, "erase", step))
    return augmentation.mix(x, targets, names, classes, streams.stream(seed, "mix", step))


def _state(model: nn.Module, optimiser: torch.optim.Optimizer, losses: Sequence[torch.Tensor]) -> State:
    # a weight that the network does not use has none
    momenta = [optimiser.state[own].get("momentum_buffer", torch.zeros_like(own)) for own in _parameters(optimiser)]
    return State(*(_flat(tensors) for tensors in (losses, model.state_dict().values(), momenta)))


def _flat(tensors: Iterable[torch.Tensor]) -> np.ndarray:
    """All values, float32: the counts of batches among them are far from what it can't hold."""
    return torch.cat([tensor.detach().flatten().float() for tensor in tensors]).cpu().numpy()


def _restore(
    model: nn.Module, optimiser: torch.optim.Optimizer, state: State, device: torch.device
) -> list[torch.Tensor]:
    """Put the state into model and optimiser; the losses so far."""
    learned = _parameters(optimiser)
    with torch.no_grad():
        for tensor, values in _parts(model.state_dict().values(), state.weights):
            tensor.copy_(values)
        for parameter, values in _parts(learned, state.momenta):
            optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(values)
    return list(torch.from_numpy(state.losses).to(device))


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _parts(tensors: Iterable[torch.Tensor], flat: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Each tensor with its values among `flat`, in its shape."""
    tensors = list(tensors)
    values = torch.from_numpy(flat).split([tensor.numel() for tensor in tensors])
    return ((tensor, part.view(tensor.shape)) for tensor, part in zip(tensors, values, strict=True))


def to_pixel_values(images: torch.Tensor) -> torch.Tensor:
    """uint8 NHWC to float32 NCHW in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def predict(
    model: nn.Module, images: np.ndarray, *, batch_size: int, device: torch.device, dtype: torch.dtype
) -> np.ndarray:
    """Logits float32 (n, classes) for uint8 NHWC images."""
    model.to(device, memory_format=_memory_format(dtype)).eval()
    logits, batch_size = [], side_by_side(model, batch_size)
    for first in range(0, len(images), batch_size):
        x = to_pixel_values(torch.from_numpy(images[first : first + batch_size]).to(device))
        with devices.autocast(device, dtype):
            logits.append(model(x.contiguous(memory_format=_memory_format(dtype))).float().cpu())
    return torch.cat(logits).numpy()


def side_by_side(model: nn.Module, batch_size: int) -> int:
    """At most so many images, and fewer where they are made large for the network."""
    return limits.side_by_side(getattr(model, "size", None), batch_size)


def _memory_format(dtype: torch.dtype) -> torch.memory_format:
    """channels_last pays in half precision; in float32 on a CPU it is 15 % slower (ResNet-18 at 16 px)."""
    return torch.contiguous_format if dtype == torch.float32 else torch.channels_last


def _to_device(images: np.ndarray, labels: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)


def _by_class(labels: np.ndarray) -> list[np.ndarray]:
    """The rows of each class."""
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _rows(first: int, count: int, groups: Sequence[np.ndarray], seed: int, part: int) -> np.ndarray:
    """Draws number first..first+count of endless passes through the rows of each group, each pass in a new order.

    Groups take turns, in a new order each round: each is drawn from as often as another.
    """
    draws = np.arange(first, first + count)
    if len(groups) == 1:
        return groups[0][_passes(draws, len(groups[0]), seed, part)]
    turns, chosen = _passes(draws, len(groups), seed, part, "turns"), np.empty(count, np.int64)
    for turn in np.unique(turns):
        own, rounds = groups[turn], draws[turns == turn] // len(groups)
        chosen[turns == turn] = own[_passes(rounds, len(own), seed, part, int(turn))]
    return chosen


def _passes(draws: np.ndarray, n: int, seed: int, *of: int | str) -> np.ndarray:
    passes = [divmod(draw, n) for draw in draws.tolist()]
    return np.array([_permutation(n, seed, *of, epoch)[position] for epoch, position in passes], dtype=np.int64)


@lru_cache(maxsize=4)
def _permutation(n: int, seed: int, *of: int | str) -> np.ndarray:
    return streams.stream(seed, "order", *of).permutation(n)


def _lr_factor(step: int, steps: int, warmup: float) -> float:
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
