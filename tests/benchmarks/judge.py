"""A classifier of real photographs that names what a base model makes: `python -m tests.benchmarks.judge`.

A residual network (He et al. 2015, arXiv 1512.03385, section 4.2: 8 layers, twice as wide) trained on 45,000 of
CIFAR-10's training images, minutes on one core. The last 5,000 training images stay out of it: on them it is tested,
and generated images are held against them. None of CIFAR-10's test images is read.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from torch import nn

from realgap import devices
from realgap.classifier import networks, training
from realgap.data import loaders
from realgap.features import extractors
from realgap.store import files

CPU = torch.device("cpu")
HELD_OUT = 5_000
SETTINGS = training.Settings(
    steps=3_000,
    batch_size=128,
    lr=0.2,
    warmup=0.2,
    momentum=0.9,
    weight_decay=5e-4,
    label_smoothing=0.0,
    crop_padding=4,
    horizontal_flip=True,
)


class Block(nn.Module):
    """Two convolutions beside a shortcut, which halves the side where the width changes."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        stride = 1 if width == out else 2
        self.first = nn.Conv2d(width, out, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(out), nn.BatchNorm2d(out)])
        self.shortcut = nn.Identity() if width == out else nn.Conv2d(width, out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.norms[0](self.first(x)).relu()
        return (self.norms[1](self.second(inner)) + self.shortcut(x)).relu()


def network(widths: tuple[int, ...] = (32, 64, 128), blocks: int = 1, classes: int = 10) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    for width, out in zip((widths[0], *widths), widths, strict=False):
        layers += [Block(width, out), *(Block(out, out) for _ in range(blocks - 1))]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def photographs(root: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """CIFAR-10's training images and labels: those to train on, and those held out."""
    dataset = loaders.cifar10(root, "train")
    arrays = {"images": np.asarray(dataset.images), "labels": np.asarray(dataset.labels)}
    return tuple({name: array[part] for name, array in arrays.items()} for part in _PARTS)


_PARTS = slice(None, -HELD_OUT), slice(-HELD_OUT, None)


def train(images: np.ndarray, labels: np.ndarray, path: Path, settings: training.Settings = SETTINGS) -> None:
    model = networks.initialise(network(), seed=0)
    dtype = devices.pick_dtype("auto", CPU, training=True)
    run = training.train(model, [(images, labels)], [1.0], settings, seed=0, device=CPU, dtype=dtype)
    for step, loss in enumerate(run):
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.3f}", flush=True)
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    files.write(path, content.getbuffer())


def load(path: Path) -> nn.Module:
    if not path.exists():
        raise SystemExit(f"{path}: must be there; make it with `python -m tests.benchmarks.judge`")
    model = network()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def logits(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Float32 (n, 10) of uint8 (n, 32, 32, 3)."""
    return training.predict(model, images, batch_size=250, device=CPU, dtype=torch.float32)


def seen(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Features that distances are measured in, float32 (n, 128)."""
    return extractors.penultimate(model, images, batch_size=250, device=CPU, dtype=torch.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("resources/cifar10"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results/priors/judge.pt"), help="default: %(default)s")
    args = parser.parse_args()
    to_train_on, held_out = photographs(args.root)
    train(**to_train_on, path=args.out)
    right = logits(load(args.out), held_out["images"]).argmax(axis=1) == held_out["labels"]
    print(f"right on {HELD_OUT:,} held-out training images: {right.mean():.3f}")


if __name__ == "__main__":
    main()
