"""A training set of 1.28 million stub images, assembled and streamed once: `python -m tests.benchmarks.million`.

As many images as ImageNet-1k has, of 32 px, in a shard for each of 1,000 classes; noise stands for what they show. Each
stage is a process of its own, whose time and largest memory are printed. The classifier is one linear layer, so that
reading is nearly all there is. Last, a ResNet-20 on the first twenty classes: from memory, streamed, and streamed from
WebP. Noise is the most that there can be to unpack.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from realgap.classifier import networks, training
from realgap.report import text_tables
from realgap.store import shards
from realgap.store.rows import Rows
from scripts import classifier_train

CLASSES, PER_CLASS, PX, BATCH = 1000, 1281, 32, 256
CPU = torch.device("cpu")
STAGES = ("write", "assemble", "open", "stream")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=CLASSES, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where 4 GB are written; default: a temporary one")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        began = time.monotonic()
        said = globals()[f"_{args.stage}"](args.folder, args.classes)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{time.monotonic() - began:.1f}\t{peak:.0f}\t{said}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder, rows = args.folder or Path(name), []
        (folder / "training_sets").mkdir(parents=True, exist_ok=True)
        for stage in STAGES:
            command = [sys.executable, "-m", "tests.benchmarks.million", "--stage", stage]
            command += ["--folder", folder, "--classes", str(args.classes)]
            rows.append(
                (stage, *subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\t"))
            )
            print(*rows[-1], flush=True)
        print(text_tables.markdown(("stage", "seconds", "largest memory, MB", "what"), rows))
        print(_beside(folder))


def _shards(folder: Path, classes: int) -> list[Path]:
    return [folder / f"real/{label:04}.h5" for label in range(classes)]


def _write(folder: Path, classes: int) -> str:
    (folder / "real").mkdir(exist_ok=True)
    for label, path in enumerate(_shards(folder, classes)):
        arrays = {
            "images": np.random.default_rng(label).integers(0, 256, (PER_CLASS, PX, PX, 3), np.uint8),
            "labels": np.full(PER_CLASS, label, np.int64),
            "image_ids": label * PER_CLASS + np.arange(PER_CLASS),
            "variants": np.zeros(PER_CLASS, np.int32),
        }
        shards.write(path, "images", arrays, {"step": "stub", "source": "real"})
    return f"{classes:,} shards of {PER_CLASS:,} images"


def _assemble(folder: Path, classes: int) -> str:
    paths = _shards(folder, classes)
    known = shards.read_all(paths, "images", on_disk=True)
    made = {"step": "assemble", "training_set": "real", "parts": [["real", sum(map(len, known))]]}
    shards.write_union(folder / "training_sets/real.h5", paths, made, known)
    return f"{sum(map(len, known)):,} images in one training set"


def _open(folder: Path, classes: int) -> str:
    data = shards.opened(folder / "training_sets/real.h5")
    return f"{data['images'].nbytes / 1e9:.1f} GB checked, none held"


def _stream(folder: Path, classes: int) -> str:
    data = shards.opened(folder / "training_sets/real.h5")
    model = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * (PX // 8) ** 2, classes))
    began, n = time.monotonic(), len(data)
    for _ in _run(model, data["images"], data["labels"], n // BATCH):
        pass
    return f"one pass, {n / (time.monotonic() - began):,.0f} images a second"


def _run(model: nn.Module, images: object, labels: np.ndarray, steps: int, batch: int = BATCH):
    settings = classifier_train.Options(
        **{"architecture": "none", "real_share": 1.0, "seed": 0, "stem": "auto", "steps": steps, "batch_size": batch},
        **{"lr": 0.01, "warmup": 0.0, "momentum": 0.9, "weight_decay": 0.0, "label_smoothing": 0.0},
        **{"crop_padding": 0, "horizontal_flip": False, "device": "cpu", "precision": "fp32"},
    )
    return training.train(model, [(images, labels)], [1.0], settings, seed=0, device=CPU, dtype=torch.float32)


def _beside(folder: Path, steps: int = 12, rounds: int = 3) -> str:
    """The CPU time of a step of ResNet-20 streamed, over that from memory; the three take turns."""
    paths = sorted(folder.glob("real/*.h5"))[:20]
    (folder / "packed").mkdir(exist_ok=True)
    for path in paths:
        one = shards.read(path, "images")
        shards.write(folder / "packed" / path.name, "images", one.arrays, {"step": "stub", "source": "real"}, "webp")
    streamed, labels = _opened(paths)
    packed, _ = _opened([folder / "packed" / path.name for path in paths])
    contestants = {"held": streamed[:], "streamed": streamed, "streamed from WebP": packed}
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, own in contestants.items():
            model = networks.begin("resnet20", len(paths), PX, "auto", None, 0)
            run = _run(model, own, labels, steps, batch=64)
            next(run)  # what is set up is set up
            began = time.process_time()
            for _ in run:
                pass
            times[name].append(time.process_time() - began)
    least = {name: min(own) for name, own in times.items()}
    said = ", ".join(f"{name} {own / least['held']:.3f}" for name, own in least.items() if name != "held")
    return f"ResNet-20, {len(labels):,} images, {1000 * least['held'] / (steps - 1):.0f} ms a step from memory: {said}"


def _opened(paths: list[Path]) -> tuple[Rows, np.ndarray]:
    data = [shards.opened(path) for path in paths]
    return Rows.joined([one["images"] for one in data]), np.concatenate([one["labels"] for one in data])


if __name__ == "__main__":
    main()
