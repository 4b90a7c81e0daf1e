"""Training a classifier at equal steps, against ImageFolder, PIL transforms and workers in float32 (T0)."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from realgap import devices
from realgap.classifier import networks
from realgap.cost import flops
from tests import given
from tests.benchmarks import subjects
from tests.benchmarks.harness import Contest

T0 = "T0 (ImageFolder, PIL, workers, fp32)"
SETTINGS = {"lr": 0.015, "momentum": 0.9, "weight_decay": 0.0005}


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    steps, batch_size = (2, 32) if device.type == "cpu" else (50, 128)
    data = subjects.digits(per_class=100)
    if device.type == "cpu":
        images, labels = data["images"], data["labels"]
    else:  # as many images as CIFAR-10 has in a class or two, and of its size
        labels = np.arange(10_000) % 10
        images = np.random.default_rng(0).integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    size = images.shape[1]
    auto = devices.pick_dtype("auto", device, training=True)
    yield Contest(
        "classifier training, equal steps",
        f"{steps} steps of ResNet-18, batch {batch_size}, {size} px",
        steps * batch_size,
        {
            subjects.ours_in(auto): ours(images, labels, steps, batch_size, device, auto)[1],
            T0: image_folder(images, labels, steps, batch_size, device, folder)[1],
        },
        {T0: 2.0 if device.type == "cpu" else 5.0},
        flop=3 * flops.resnet("resnet18", size, 10, cifar_stem=True) * steps * batch_size,
    )


def ours(
    images: np.ndarray,
    labels: np.ndarray,
    steps: int,
    batch_size: int,
    device: torch.device,
    dtype: torch.dtype,
    seed: int = 0,
) -> tuple[nn.Module, Callable[[], object]]:
    """A network in one long training, and a call that does the next few steps of it."""
    model = networks.initialise(networks.build("resnet18", 10, images.shape[1]), seed)
    run = given.train(
        model,
        [(images, labels)],
        [1.0],
        **SETTINGS,
        steps=1_000_000,
        batch_size=batch_size,
        warmup=0.0,
        label_smoothing=0.0,
        crop_padding=1,
        horizontal_flip=False,
        seed=seed,
        device=device,
        dtype=dtype,
    )
    return model, lambda: [float(loss) for loss in islice(run, steps)]


def image_folder(
    images: np.ndarray,
    labels: np.ndarray,
    steps: int,
    batch_size: int,
    device: torch.device,
    folder: Path,
    seed: int = 0,
) -> tuple[nn.Module, Callable[[], object]]:
    """torchvision's classical recipe: a folder of PNG files, PIL transforms in worker processes."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "images" / str(label) / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    data = ImageFolder(str(folder / "images"), seen([transforms.RandomCrop(images.shape[1], padding=1)]))
    loader = loaded(data, device, batch_size=batch_size, shuffle=True, drop_last=True, seed=seed)
    batches = chain.from_iterable(repeat(loader))
    model = networks.initialise(networks.build("resnet18", 10, images.shape[1]), seed).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), **SETTINGS, nesterov=True)

    def call() -> list[float]:
        return [float(loss) for loss in fitted(model, islice(batches, steps), optimizer, device)]

    return model, call


def seen(augmentations: Sequence[Callable]) -> transforms.Compose:
    """What a network sees of an image that is changed at random as PIL has it."""
    return transforms.Compose([*augmentations, transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])


def loaded(data: Dataset, device: torch.device, seed: int = 0, **options: Any) -> DataLoader:
    return DataLoader(
        data,
        num_workers=max(1, min(8, os.cpu_count() - 1)),
        persistent_workers=True,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(seed),
        **options,
    )


def fitted(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> list[Tensor]:
    """The loss of each step."""
    losses = []
    for pixels, targets in batches:
        logits = model(pixels.to(device, non_blocking=True))
        loss = F.cross_entropy(logits, targets.to(device, non_blocking=True))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        losses.append(loss.detach())
    return losses
