"""The image store, written and read whole, against a folder of PNG files; and how large each of its forms is.

    envs/run python -m tests.benchmarks.store            # a table of the forms: size, and time to write and to read

It measures handwritten digits, photographs that come with scikit-image, and what it is given.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data as photographs
from sklearn.datasets import load_digits

from realgap.report import text_tables
from realgap.store import forms, shards
from tests.benchmarks.harness import Contest

N, SIZE = 5_000, 32  # 500 real images and 10 variants of each
MILLION = 1_281_167  # training images of ImageNet-1k


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    noise = np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), np.uint8)
    yield from _races("image store", noise, "raw", folder)
    yield from _races("image store in WebP", crops(N, SIZE), "webp", folder)


def _races(name: str, images: np.ndarray, form: str, folder: Path) -> Iterator[Contest]:
    arrays, shard, pictures = of_images(images), folder / f"{form}.h5", folder / form

    def write_pictures() -> None:
        shutil.rmtree(pictures, ignore_errors=True)
        pictures.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(pictures / f"{number:05d}.png")

    def read_pictures() -> np.ndarray:
        return np.stack([np.asarray(Image.open(path)) for path in sorted(pictures.iterdir())])

    def write() -> None:
        shards.write(shard, "images", arrays, {}, form)

    write_pictures()
    write()
    # what is packed picture by picture is written and read picture by picture, as PNG is
    targets = {"PNG folder": 50.0} if form == "raw" else {}
    yield Contest(
        f"{name}, written",
        f"{N:,} images of {SIZE} px with labels, checksum and fsync",
        N,
        {"ours (shard)": write, "PNG folder": write_pictures},
        targets,
    )
    yield Contest(
        f"{name}, read",
        f"{N:,} images of {SIZE} px, checksum verified",
        N,
        {"ours (shard)": lambda: shards.read(shard, "images"), "PNG folder": read_pictures},
        targets,
    )


def of_images(images: np.ndarray) -> dict[str, np.ndarray]:
    ids = np.arange(len(images))
    return {"images": images, "labels": ids, "image_ids": ids, "variants": ids.astype(np.int32)}


def crops(n: int, size: int) -> np.ndarray:
    """Squares of photographs, half as large as they were."""
    random, whole = np.random.default_rng(0), [photographs.astronaut(), photographs.chelsea(), photographs.coffee()]
    halves = [np.asarray(Image.fromarray(one).reduce(2)) for one in whole]
    found = np.empty((n, size, size, 3), np.uint8)
    for number in range(n):
        one = halves[number % len(halves)]
        top, left = (random.integers(side - size + 1) for side in one.shape[:2])
        found[number] = one[top : top + size, left : left + size]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="of images, measured together")
    parser.add_argument("--arrays", type=Path, nargs="*", default=[], help="NumPy files of images, uint8 (n, h, w, 3)")
    parser.add_argument("-n", type=int, default=1024, help="images of each set at most; default: %(default)s")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, images in _sets(args.shards, args.arrays, args.n).items():
            for form in forms.FORMS["images"]:
                rows.append((name, form, *_measured(images, form, Path(folder) / "a.h5")))
                print(*rows[-1], flush=True)
    columns = (
        "images",
        "form",
        "bytes a pixel",
        "share of raw",
        "written, ms",
        "read, ms",
        "opened, ms",
        "one row, ms",
    )
    print(text_tables.markdown((*columns, "GB of 1.28 M of 64, 128, 224 px"), rows))


def _sets(paths: list[Path], arrays: list[Path], n: int) -> Mapping[str, np.ndarray]:
    grey = np.round(load_digits().images[:n] * 15.9375).astype(np.uint8)
    digits = np.stack([np.asarray(Image.fromarray(one).resize((16, 16), Image.Resampling.BICUBIC)) for one in grey])
    found = {"handwritten digits, 16 px": np.repeat(digits[..., None], 3, axis=-1)}
    found |= {f"photographs, {px} px": crops(n, px) for px in (64, 128)}
    if paths:
        own = np.concatenate([one["images"] for one in shards.read_all(paths, "images")])
        own = own[np.random.default_rng(0).permutation(len(own))[:n]]
        found[f"generated, {own.shape[1]} px"] = own
    return found | {f"{path.stem}, {images.shape[1]} px": images[:n] for path, images in _given(arrays)}


def _given(paths: list[Path]) -> Iterator[tuple[Path, np.ndarray]]:
    return ((path, np.load(path)) for path in paths)


def _measured(images: np.ndarray, form: str, path: Path, rounds: int = 3) -> tuple[str, ...]:
    """Bytes of a pixel and the share of raw; CPU time of an image, the least of some rounds; gigabytes of a million."""
    arrays, order = of_images(images), np.random.default_rng(0).permutation(len(images))

    def least(work: object) -> str:
        times = []
        for _ in range(rounds):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
        return f"{1000 * min(times) / len(images):.3f}"

    written = least(lambda: shards.write(path, "images", arrays, {}, form))
    read = least(lambda: shards.read(path, "images"))
    opened = shards.opened(path)["images"]
    checked, by_row = least(lambda: shards.opened(path)), least(lambda: [opened[[row]] for row in order])
    of_pixel = path.stat().st_size / images[..., 0].size
    gigabytes = ", ".join(f"{MILLION * side**2 * of_pixel / 1e9:.0f}" for side in (64, 128, 224))
    return f"{of_pixel:.2f}", f"{of_pixel / 3:.2f}", written, read, checked, by_row, gigabytes


if __name__ == "__main__":
    main()
