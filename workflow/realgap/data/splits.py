"""Which of a data set's real images a study trains on, validates on and is tested on.

A data set is (images, labels, image_ids): image ids are stable names of its images, labels the data
set's own class numbers, so that a study of fewer classes or fewer images has the same image under the
same id and label. In the shuffled order of a class the first images are trained on and the last ones
kept for validation: neither changes when the number of the other does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from realgap import streams
from realgap.data import images as imaging


@dataclass(frozen=True)
class Dataset:
    """images: n arrays uint8 (h, w, 3), decoded when asked for; labels, image_ids int64 (n,); class_names by label."""

    images: Sequence[np.ndarray]
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


def training_rows(dataset: Dataset, class_name: str, start: int, stop: int, seed: int, validation: int) -> np.ndarray:
    """Row numbers of the real training images number start..stop of a class.

    Raises ValueError when the class has fewer images than these and `validation` more.
    """
    rows = shuffled_class(dataset, class_name, seed)
    if stop + validation > len(rows):
        kept = f" and {validation} for validation" if validation else ""
        raise ValueError(f"dataset.images_per_class: class {class_name!r} has {len(rows)} images, got {stop}{kept}")
    return rows[start:stop]


def validation_rows(dataset: Dataset, class_names: Sequence[str], validation: int, seed: int) -> np.ndarray:
    """Row numbers of the last `validation` images of each class, in file order."""
    return np.sort(np.concatenate([shuffled_class(dataset, name, seed)[-validation:] for name in class_names]))


def held_out_rows(
    dataset: Dataset,
    class_names: Sequence[str],
    per_class: int | None,
    seed: int,
    trained: int | Mapping[str, int] = 0,
    validation: int = 0,
) -> np.ndarray:
    """Row numbers of the test images, in file order: all that are neither trained nor validated on.

    `per_class` takes at most so many of each class; `trained` of each, or by class. Raises ValueError when nothing is
    left of a class.
    """
    rows = []
    for name in class_names:
        order = shuffled_class(dataset, name, seed)
        seen = trained[name] if isinstance(trained, Mapping) else trained
        rows.append(order[seen : len(order) - validation][:per_class])
        if not len(rows[-1]):
            raise ValueError(
                f"dataset.images_per_class: must leave images of {name!r} to test on, got {seen} of {len(order)}"
            )
    return np.sort(np.concatenate(rows))


def take(dataset: Dataset, rows: np.ndarray, image_size: int, fit: str = imaging.CROP) -> dict[str, np.ndarray]:
    """The arrays of an "images" shard for some rows, resized to image_size pixels as images.resize_one has it."""
    return {
        "images": np.stack([imaging.resize_one(dataset.images[row], image_size, fit) for row in rows]),
        "labels": dataset.labels[rows].astype(np.int64),
        "image_ids": dataset.image_ids[rows].astype(np.int64),
        "variants": np.zeros(len(rows), dtype=np.int32),
    }
