"""Rows of an HDF5 file: train/images and train/labels, the same of validation and test where it has them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import arrays, reading
from realgap.data.images import pixels_of
from realgap.data.readers.rows import check_same
from realgap.data.records import Image, Inventory, check_classes
from realgap.data.splits_given import as_they_are

PARTS = ("train", "validation", "test")


def take(path: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    """The rows of every part; a row is called by its part and number."""
    rows = [Image(*row) for row in of(path, _listed)]
    there = sorted({image.class_name for image in rows})
    classes = there if chosen is None else list(chosen)
    check_classes(classes, there, f"{path} must hold images of each")
    return Inventory(tuple(classes), tuple(image for image in rows if image.class_name in set(classes)))


def pictures(path: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Rows in the order of the file: one that is compressed is unpacked chunk by chunk."""
    of_image = {
        place: (image.name.partition("/")[0], int(image.name.rpartition("/")[2])) for place, image in enumerate(chosen)
    }
    opened = {part: arrays.read(path, part) for part in {part for part, _ in of_image.values()}}
    for place in sorted(of_image, key=of_image.__getitem__):
        part, row = of_image[place]
        image = opened[part][0][row]
        check_same(path, pixels_of(image), chosen[place])
        yield place, reading.of_array(image, f"{path}: {part}/images, row {row}", **how)


def _listed(path: Path) -> list[tuple]:
    """The fields of an Image for each row."""
    parts = {part: own for part in PARTS if (own := arrays.read(path, part)) is not None}
    if "train" not in parts:
        raise ValueError(f"{path}: must hold train/images, train/labels and class_names; it has no train")
    rows = [
        (
            f"{part}/{row}",
            names[label],
            part if parts.keys() - {"train"} else "",
            image.nbytes,
            pixels_of(image),
        )
        for part, (images, labels, names) in parts.items()
        for row, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    given = as_they_are([row[2] for row in rows])
    return [(*row[:2], own, *row[3:]) for row, own in zip(rows, given, strict=True)]
