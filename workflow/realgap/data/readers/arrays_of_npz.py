"""MedMNIST's two-dimensional data sets from the .npz files that it publishes, of any of its sizes (28 to 224 px)."""

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import catalog, reading
from realgap.data.arrays import MOST_ROW_BYTES
from realgap.data.images import pixels_of
from realgap.data.readers import rows
from realgap.data.records import Image, Inventory
from realgap.store import files

PARTS = {"train": "train", "val": "validation", "test": "test"}
NOTHING_FOUND = "no finding"  # of ChestMNIST, whose images have any number of findings


def take(root: Path, chosen: Sequence[str] | None, of: Callable, name: str) -> Inventory:
    """What the file of a data set holds, by its name."""
    return rows.take(root, chosen, of, ".npz", lambda path: _listed(path, catalog.MEDMNIST[name]))


def pictures(root: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of the arrays, one after another."""
    return rows.pictures(root, chosen, how, ".npz", _picked)


def _listed(path: Path, names: Sequence[str]) -> list[rows.Row]:
    found = []
    for part, given in PARTS.items():
        labels = _labels(path, part, names)
        images = _rows(path, f"{part}_images")
        for row, (label, image) in enumerate(zip(labels, images, strict=True)):
            found.append((f"{part}-{row}", label, given, image.nbytes, pixels_of(image)))
    return found


def _picked(path: Path, keys: Sequence[str], how: Mapping[str, Any]) -> Iterator[tuple[int, str, np.ndarray]]:
    places = {key: place for place, key in enumerate(keys)}
    for part in PARTS:
        wanted = {int(key.rpartition("-")[2]) for key in keys if key.startswith(f"{part}-")}
        for row, image in enumerate(_rows(path, f"{part}_images")) if wanted else ():
            if row in wanted:
                shown = reading.of_array(image, f"{path}, {part} {row}", **how)
                yield places[f"{part}-{row}"], pixels_of(image), shown


def _labels(path: Path, part: str, names: Sequence[str]) -> list[str]:
    """The class of each row of a part; none of one with several findings."""
    labels = np.array(list(_rows(path, f"{part}_labels")))
    if labels.ndim == 2 and labels.shape[1] == len(names) and len(names) > 2:
        return [_finding(row, names) for row in labels]
    flat = labels.reshape(len(labels), -1)
    if (
        flat.shape[1] != 1
        or not np.issubdtype(flat.dtype, np.integer)
        or not 0 <= flat.min() <= flat.max() < len(names)
    ):
        raise ValueError(
            f"dataset.root: {path}: {part}_labels must be integers (n, 1) from 0 to {len(names) - 1}; got "
            f"{labels.dtype} {labels.shape} from {labels.min()} to {labels.max()}; is it another data set of MedMNIST?"
        )
    return [names[label] for label in flat[:, 0].tolist()]


def _finding(row: np.ndarray, names: Sequence[str]) -> str:
    found = np.flatnonzero(row)
    if len(found) > 1:
        return rows.NO_LABEL
    return names[found[0]] if len(found) else NOTHING_FOUND


def _rows(path: Path, name: str) -> Iterator[np.ndarray]:
    """Rows of an array, one after another: an array of 224 px is larger than memory."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, by_column, dtype = header[version](file)
            if by_column or dtype.hasobject or not shape:
                raise ValueError(f"dataset.root: {path}: {name} must be an array of numbers, row by row")
            size = dtype.itemsize * math.prod(shape[1:])
            if min(shape) < 0 or size > MOST_ROW_BYTES:
                most = f"at most {MOST_ROW_BYTES >> 20} MiB"
                raise ValueError(f"dataset.root: {path}: {name} must have rows of {most}, has shape {shape}")
            for row in range(shape[0]):
                if len(data := file.read(size)) < size:
                    raise EOFError(f"row {row} is not all there")
                yield np.frombuffer(data, dtype).reshape(shape[1:])
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ValueError(
            f"dataset.root: {path} must be a .npz file of MedMNIST with {name}; {files.brief(error)}"
        ) from error
