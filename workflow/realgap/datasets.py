"""Real images by data set name, and the choice of which of them a study trains on.

A data set is (images, labels, image_ids): image ids are stable names of its images (row numbers of the
original files), labels the data set's own class numbers, so that a study of fewer classes or fewer
images has the same image under the same id and label.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from realgap import images as imaging
from realgap import streams

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Dataset:
    """images: n arrays uint8 (h, w, 3); labels int64 (n,); image_ids int64 (n,); class_names by label."""

    images: np.ndarray
    labels: np.ndarray
    image_ids: np.ndarray
    class_names: tuple[str, ...]

    def rows_of(self, class_name: str) -> np.ndarray:
        """Row numbers of a class, in file order. Raises ValueError when there is no such class."""
        if class_name not in self.class_names:
            raise ValueError(f"dataset.classes: must be among {', '.join(self.class_names)}; got {class_name!r}")
        return np.flatnonzero(self.labels == self.class_names.index(class_name))


def shuffled_class(dataset: Dataset, class_name: str, seed: int) -> np.ndarray:
    """Row numbers of a class in the order in which a study takes them.

    Nested: the first 10 are among the first 20. The order of two images depends on the seed and on
    their ids only.
    """
    rows = dataset.rows_of(class_name)
    return rows[np.argsort(streams.ranks(seed, "subset", dataset.image_ids[rows]), kind="stable")]


def training_rows(dataset: Dataset, class_name: str, start: int, stop: int, seed: int) -> np.ndarray:
    """Row numbers of the real training images number start..stop of a class.

    Raises ValueError when the class has fewer images than asked for.
    """
    rows = shuffled_class(dataset, class_name, seed)
    if stop > len(rows):
        raise ValueError(f"dataset.images_per_class: class {class_name!r} has {len(rows)} images, got {stop}")
    return rows[start:stop]


def remaining_rows(dataset: Dataset, class_names: list[str], images_per_class: int, seed: int) -> np.ndarray:
    """Row numbers of what the study does not train on, in file order: the test set of a data set without one.

    Raises ValueError when nothing is left.
    """
    rows = np.concatenate([shuffled_class(dataset, name, seed)[images_per_class:] for name in class_names])
    if not len(rows):
        raise ValueError(f"dataset.images_per_class: must leave images to test on, got {images_per_class}")
    return np.sort(rows)


def take(dataset: Dataset, rows: np.ndarray, image_size: int) -> dict[str, np.ndarray]:
    """The arrays of an "images" shard for some rows, resized to image_size pixels."""
    return {
        "images": imaging.resize(dataset.images[rows], image_size),
        "labels": dataset.labels[rows].astype(np.int64),
        "image_ids": dataset.image_ids[rows].astype(np.int64),
        "variants": np.zeros(len(rows), dtype=np.int32),
    }


def load(name: str) -> Dataset:
    """A data set by name. Raises ValueError for a name that is not known."""
    if name not in LOADERS:
        raise ValueError(f"dataset.name: must be one of {', '.join(LOADERS)}; got {name!r}")
    return LOADERS[name]()


def _digits() -> Dataset:
    """scikit-learn's digits: 1,797 handwritten digits of 8x8 pixels, 17 grey levels (UCI, Alpaydin & Kaynak 1998)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = imaging.from_unit(digits.images / 16)
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    return Dataset(rgb, digits.target.astype(np.int64), np.arange(len(rgb)), DIGITS)


LOADERS: dict[str, Callable[[], Dataset]] = {"digits": _digits}
CLASS_NAMES: dict[str, tuple[str, ...]] = {"digits": DIGITS}
