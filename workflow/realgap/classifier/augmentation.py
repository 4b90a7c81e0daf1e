"""How training images are changed at random: torchvision's policies, each image and step by a stream of its own."""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import torch
from torch.nn import functional as F

from realgap import devices


def crop(images: torch.Tensor, padding: int, flip: bool, stream: np.random.Generator) -> torch.Tensor:
    """uint8 (n, h, w, 3) of the same shape: a random crop after zero padding, a random flip."""
    n, height, width, _ = images.shape
    padded = F.pad(images.permute(0, 3, 1, 2), [padding] * 4)
    top, left = devices.put(stream.integers(0, 2 * padding + 1, (2, n)), images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    if flip:
        mirrored = devices.put(stream.random(n) < 0.5, images.device)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    item = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[item, rows[:, :, None], columns[:, None, :]]


def policy(images: torch.Tensor, names: Sequence[str], stream: np.random.Generator) -> torch.Tensor:
    """uint8 (n, h, w, 3) of the same shape: TrivialAugment or RandAugment of each image, where one is named.

    TrivialAugment (Muller & Hutter 2021) shifts by up to 32 px, RandAugment (Cubuk et al. 2020) by a share of the side.
    """
    from torchvision.transforms import v2

    made = {"trivial_augment": v2.TrivialAugmentWide, "rand_augment": v2.RandAugment}
    changes = [made[name]() for name in names if name in made]
    return _one_by_one(images.movedim(-1, 1), changes, stream).movedim(1, -1)


def erase(pixel_values: torch.Tensor, names: Sequence[str], stream: np.random.Generator) -> torch.Tensor:
    """float (n, 3, h, w) of the same shape: a rectangle of half of the images set to 0 (Zhong et al. 2020)."""
    from torchvision.transforms import v2

    return _one_by_one(pixel_values, [v2.RandomErasing()] if "random_erasing" in names else [], stream)


def mix(
    pixel_values: torch.Tensor, targets: torch.Tensor, names: Sequence[str], classes: int, stream: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019) of a batch; targets (n,) become shares (n, classes).

    Where both are named, chance takes one for each batch; without either, nothing changes.
    """
    from torchvision.transforms import v2

    made = {"mixup": v2.MixUp, "cutmix": v2.CutMix}
    named = [made[name](num_classes=classes) for name in names if name in made]
    if not named:
        return pixel_values, targets
    chosen = named[int(stream.integers(len(named)))]
    return _seeded(stream, lambda: chosen(pixel_values, targets))


def _one_by_one(images: torch.Tensor, changes: Sequence[Callable], stream: np.random.Generator) -> torch.Tensor:
    def changed(image: torch.Tensor) -> torch.Tensor:
        return reduce(lambda one, change: change(one), changes, image)

    return _seeded(stream, lambda: torch.stack([changed(image) for image in images])) if changes else images


def _seeded(stream: np.random.Generator, work: Callable):
    """torchvision draws from torch's generator of the CPU: it is set from the stream, and left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream.integers(2**62)))
        return work()
