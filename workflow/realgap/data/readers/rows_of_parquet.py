"""Hugging Face `datasets` folders: parquet files with a column of encoded images and one of labels."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import reading
from realgap.data.readers import rows
from realgap.data.records import Image, Inventory
from realgap.store import files

LABELS = ("label", "labels", "class", "target")  # of files that do not say which column is the label
BATCH = 64  # rows that are held side by side


def take(root: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    """What all files hold, by the words of rows.take."""
    return rows.take(root, chosen, of, ".parquet", _listed)


def pictures(root: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Of some of them, by the words of rows.pictures."""
    return rows.pictures(root, chosen, how, ".parquet", _picked)


def _listed(path: Path) -> list[rows.Row]:
    """What each row of a file is."""
    file, image, label, names = _opened(path)
    found = []
    for start, batch in _batches(file, [image, label]):
        for number, (data, own) in enumerate(zip(batch[image].to_pylist(), batch[label].to_pylist(), strict=True)):
            encoded = _encoded(path, start + number, data)
            found.append((str(start + number), _named(own, names), "", len(encoded), _digest(encoded)))
    return found


def _picked(path: Path, keys: Sequence[str], how: Mapping[str, Any]) -> Iterator[tuple[int, str, np.ndarray]]:
    """Some rows of a file; groups of rows with none of them are passed over."""
    file, image, *_ = _opened(path)
    places: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(int(key), []).append(place)
    for start, batch in _batches(file, [image], set(places)):
        for number, data in enumerate(batch[image].to_pylist()):
            for place in places.get(start + number, ()):
                encoded = _encoded(path, start + number, data)
                yield place, _digest(encoded), reading.decode(encoded, f"{path}, row {start + number}", **how)


def _opened(path: Path) -> tuple[Any, str, str, list[str] | None]:
    """The file, its columns of images and labels, and the names of the labels where the file has them."""
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"dataset.root: {path} must be a parquet file; {files.brief(error)}") from error
    said = _features(file)
    columns = {field.name: field.type for field in file.schema_arrow}
    images = [name for name, one in said.items() if one.get("_type") == "Image"] or [
        name for name, kind in columns.items() if pyarrow.types.is_binary(kind) or _is_image(kind)
    ]
    labels = [name for name, one in said.items() if one.get("_type") == "ClassLabel"] or [
        name for name in columns if name.lower() in LABELS
    ]
    for what, found in (("images", images), ("labels", labels)):
        if len(found) != 1:
            got = ", ".join(found) or f"none among {', '.join(columns)}"
            raise ValueError(f"dataset.root: {path} must have one column of {what}; got {got}")
    return file, images[0], labels[0], said.get(labels[0], {}).get("names")


def _features(file: Any) -> dict[str, dict]:
    """What `datasets` says of the columns; nothing where the file is not of it."""
    try:
        card = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])
        features = card["info"]["features"]
        return {name: one for name, one in features.items() if isinstance(one, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _is_image(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0


def _batches(file: Any, columns: list[str], wanted: set[int] | None = None) -> Iterator[tuple[int, Any]]:
    """(number of its first row, batch) of a file; of groups of rows without a wanted one none."""
    first = 0
    for group in range(file.num_row_groups):
        end = first + file.metadata.row_group(group).num_rows
        if wanted is None or any(first <= row < end for row in wanted):
            start = first
            for batch in file.iter_batches(batch_size=BATCH, row_groups=[group], columns=columns):
                yield start, batch
                start += len(batch)
        first = end


def _encoded(path: Path, row: int, data: Any) -> bytes:
    encoded = data.get("bytes") if isinstance(data, dict) else data
    if not encoded:
        raise ValueError(f"dataset.root: {path}, row {row}: must hold the bytes of an image; got {files.brief(data)}")
    return encoded


def _named(label: Any, names: list[str] | None) -> str:
    """The name of a label; none for one that is missing or below zero, as test sets without labels have it."""
    if label is None or isinstance(label, int) and label < 0:
        return rows.NO_LABEL
    return names[label] if names and isinstance(label, int) and label < len(names) else str(label)


def _digest(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()
