"""The image store, written and read whole, against a folder of PNG files."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from realgap.store import shards
from tests.benchmarks.harness import Contest

N, SIZE = 5_000, 32  # 500 real images and 10 variants of each


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    ids = np.arange(N)
    arrays = {
        "images": np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), np.uint8),
        "labels": ids,
        "image_ids": ids,
        "variants": ids.astype(np.int32),
    }
    shard, pictures = folder / "store.h5", folder / "store"

    def write_pictures() -> None:
        shutil.rmtree(pictures, ignore_errors=True)
        pictures.mkdir()
        for number, image in enumerate(arrays["images"]):
            Image.fromarray(image).save(pictures / f"{number:05d}.png")

    def read_pictures() -> np.ndarray:
        return np.stack([np.asarray(Image.open(path)) for path in sorted(pictures.iterdir())])

    write_pictures()
    shards.write(shard, "images", arrays, {})
    yield Contest(
        "image store, written",
        f"{N:,} images of {SIZE} px with labels, checksum and fsync",
        N,
        {"ours (shard)": lambda: shards.write(shard, "images", arrays, {}), "PNG folder": write_pictures},
        {"PNG folder": 50.0},
    )
    yield Contest(
        "image store, read",
        f"{N:,} images of {SIZE} px, checksum verified",
        N,
        {"ours (shard)": lambda: shards.read(shard, "images"), "PNG folder": read_pictures},
        {"PNG folder": 50.0},
    )
