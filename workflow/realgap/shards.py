"""The one module that knows the HDF5 layout; the contract is written in workflow/docs/shard-format.md.

A shard is a small set of equally long arrays (row i of each belongs to the same item) and attributes
that say how it was made. `write` makes it whole or not at all, `read` refuses what is damaged or of
another kind. A training set is a file of the same layout whose arrays are views of other shards.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from realgap.files import whole

FORMAT = 1
CHUNK_ITEMS = 128  # measured at 32 px: 566 k images/s written, 2 M/s read; compression gains 1.2x at best

# kind -> {array: (dtype, rank)}; arrays in brackets of the contract may be absent
LAYOUT: dict[str, dict[str, tuple[str, int]]] = {
    "images": {
        "images": ("uint8", 4),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
        "variants": ("int32", 1),
    },
    "moments": {
        "mean": ("float32", 4),
        "std": ("float32", 4),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
    },
    "embeddings": {
        "embeddings": ("float32", 3),
        "losses": ("float32", 2),
        "labels": ("int64", 1),
        "image_ids": ("int64", 1),
    },
    "predictions": {"logits": ("float32", 2), "labels": ("int64", 1), "image_ids": ("int64", 1)},
}


@dataclass(frozen=True)
class Shard:
    """What `read` returns: arrays by name, and the attributes that say how the file was made."""

    arrays: dict[str, np.ndarray]
    attributes: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


def write(
    path: str | Path, kind: str, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> None:
    """Write a shard of a kind in LAYOUT, whole or not at all.

    `attributes` must be what json can hold: options, seeds, versions. The same arrays and attributes
    give the same bytes. Raises ValueError when an array does not fit the layout.
    """
    _check_layout(path, kind, arrays)
    text = json.dumps(dict(attributes), sort_keys=True)
    with whole(path) as beside, h5py.File(beside, "w", libver="latest") as file:
        for name in LAYOUT[kind]:
            array = np.ascontiguousarray(arrays[name])
            chunks = (min(CHUNK_ITEMS, len(array)), *array.shape[1:]) if len(array) else None
            file.create_dataset(name, data=array, chunks=chunks, track_times=False)
        _seal(file, kind, text, _digest(kind, text, arrays))


def write_union(path: str | Path, shards: Sequence[str | Path], attributes: Mapping[str, Any]) -> None:
    """Write an "images" file that shows the rows of `shards` one after another without copying them.

    Sources are stored relative to `path`, so a results folder can be moved as a whole.
    """
    path = Path(path)
    opened = [read(shard, "images") for shard in shards]
    lengths = [len(shard) for shard in opened]
    sources = [
        {"file": os.path.relpath(shard, path.parent), "checksum": one.attributes["checksum"], "items": n}
        for shard, one, n in zip(shards, opened, lengths, strict=True)
    ]
    text = json.dumps({**attributes, "sources": sources}, sort_keys=True)
    with whole(path) as beside, h5py.File(beside, "w", libver="latest") as file:
        for name in LAYOUT["images"]:
            file.create_virtual_dataset(name, _view(name, sources, opened))
        _seal(file, "images", text, hashlib.sha256(text.encode()).hexdigest())


def read(path: str | Path, kind: str) -> Shard:
    """All arrays of a shard, after checking that it is whole, unaltered and of this kind.

    Raises ValueError naming the file when it is damaged, of another kind or format, or reaches
    outside itself in a way the layout does not have; FileNotFoundError when it is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(_damaged(path, "not a complete HDF5 file")) from error
    with file:
        try:
            return _read_open(path, kind, file)
        except (OSError, KeyError, RuntimeError, TypeError) as error:
            raise ValueError(_damaged(path, f"unreadable inside: {error}")) from error


def checksum(path: str | Path) -> str:
    """The checksum a shard carries, without reading its arrays."""
    with h5py.File(path, "r") as file:
        return str(file.attrs["checksum"])


def _read_open(path: Path, kind: str, file: h5py.File) -> Shard:
    if int(file.attrs.get("format", -1)) != FORMAT:
        raise ValueError(_damaged(path, f"format must be {FORMAT}, got {file.attrs.get('format')}"))
    if file.attrs["kind"] != kind:
        raise ValueError(f"{path}: must be a shard of {kind}, got one of {file.attrs['kind']}")
    text = str(file.attrs["attributes"])
    attributes = json.loads(text)
    if set(file) != set(LAYOUT[kind]):
        raise ValueError(_damaged(path, f"must hold {', '.join(LAYOUT[kind])}, got {', '.join(file)}"))
    for name in file:
        _refuse_foreign_storage(path, file, name, "sources" in attributes)
    if "sources" in attributes:
        arrays = _read_sources(path, kind, attributes["sources"])
        digest = hashlib.sha256(text.encode()).hexdigest()
    else:
        arrays = {name: file[name][()] for name in LAYOUT[kind]}
        digest = _digest(kind, text, arrays)
    if digest != file.attrs["checksum"]:
        raise ValueError(_damaged(path, "its content does not match its checksum"))
    _check_layout(path, kind, arrays)
    return Shard(arrays, {**attributes, "checksum": digest})


def _read_sources(path: Path, kind: str, sources: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The rows of a union, read from its sources: HDF5 would fill a missing one with zeros silently."""
    parts = []
    for source in sources:
        part = read(path.parent / source["file"], kind)
        if part.attributes["checksum"] != source["checksum"]:
            raise ValueError(
                f"{path.parent / source['file']}: has changed since {path} was assembled from it"
            )
        parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in LAYOUT[kind]}


def _view(name: str, sources: list[dict[str, Any]], opened: list[Shard]) -> h5py.VirtualLayout:
    shape, dtype = opened[0][name].shape[1:], opened[0][name].dtype
    layout = h5py.VirtualLayout((sum(source["items"] for source in sources), *shape), dtype)
    start = 0
    for source in sources:
        stop = start + source["items"]
        layout[start:stop] = h5py.VirtualSource(source["file"], name, (source["items"], *shape), dtype)
        start = stop
    return layout


def _seal(file: h5py.File, kind: str, text: str, digest: str) -> None:
    file.attrs["format"] = FORMAT
    file.attrs["kind"] = kind
    file.attrs["attributes"] = text
    file.attrs["checksum"] = digest


def _digest(kind: str, text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the attributes and each array's name, dtype, shape and bytes."""
    digest = hashlib.sha256(f"{FORMAT}\n{kind}\n{text}\n".encode())
    for name in LAYOUT[kind]:
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _check_layout(path: str | Path, kind: str, arrays: Mapping[str, np.ndarray]) -> None:
    if set(arrays) != set(LAYOUT[kind]):
        raise ValueError(
            f"{path}: a shard of {kind} must hold {', '.join(LAYOUT[kind])}, got {', '.join(arrays)}"
        )
    for name, (dtype, rank) in LAYOUT[kind].items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != rank:
            raise ValueError(
                f"{path}: {name} must be {dtype} of rank {rank}, got {array.dtype} of rank {array.ndim}"
            )
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise ValueError(f"{path}: all arrays must be equally long, got {lengths}")


def _refuse_foreign_storage(path: Path, file: h5py.File, name: str, union: bool) -> None:
    """No links out of the file and no filters: a shard from elsewhere must not reach other files or plugins."""
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(_damaged(path, f"{name} is not a plain array"))
    properties = file[name].id.get_create_plist()
    if properties.get_nfilters() or file[name].external or (file[name].is_virtual and not union):
        raise ValueError(_damaged(path, f"{name} has filters or lives in other files"))


def _damaged(path: Path, what: str) -> str:
    return f"{path}: {what}; delete it and run snakemake again, which makes just this file again"
