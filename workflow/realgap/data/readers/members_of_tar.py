"""WebDataset shards: tar files whose members of one name up to the first dot are one sample."""

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import folders, reading
from realgap.data.readers import rows
from realgap.data.records import Image, Inventory
from realgap.store import files

NAMES = ("classnames.txt", "classes.txt", "labels.txt")  # beside the shards: the name of each number, one a line
LABELS = ("cls", "label", "cls.txt", "label.txt", "class", "txt")
IN_JSON = ("label", "class", "cls", "class_name")


def take(root: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    """What all files hold, by the words of rows.take."""
    return rows.take(root, chosen, of, ".tar", _listed, _names)


def pictures(root: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Of some of them, by the words of rows.pictures."""
    return rows.pictures(root, chosen, how, ".tar", _picked)


def _listed(path: Path) -> list[rows.Row]:
    """What each sample of a shard is."""
    found = []
    for key, members in _samples(path):
        pictures = [end for end in members if f".{end.rpartition('.')[2]}" in folders.SUFFIXES]
        if len(pictures) != 1:
            got = ", ".join(sorted(members))
            raise ValueError(f"dataset.root: {path}: sample {key} must have one picture; got {got}")
        encoded = members[pictures[0]]
        found.append((_key(key), _label(path, key, members), "", len(encoded), _digest(encoded)))
    return found


def _picked(path: Path, keys: Sequence[str], how: Mapping[str, Any]) -> Iterator[tuple[int, str, np.ndarray]]:
    """Some samples of a shard."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    for key, members in _samples(path, {*places}):
        encoded = next(data for end, data in members.items() if f".{end.rpartition('.')[2]}" in folders.SUFFIXES)
        for place in places[_key(key)]:
            yield place, _digest(encoded), reading.decode(encoded, f"{path}, sample {key}", **how)


def _samples(path: Path, wanted: set[str] | None = None) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(name, ending -> bytes) of each sample, whose members follow one another; of all, or of the wanted keys."""
    key, members = "", {}
    try:
        with tarfile.open(path, "r|") as file:
            for member in file:
                folder, _, name = member.name.rpartition("/")
                stem, _, end = name.partition(".")
                if not member.isfile() or not end or not folders.is_data(name):
                    continue
                own = f"{folder}/{stem}" if folder else stem
                if own != key:
                    if members:
                        yield key, members
                    key, members = own, {}
                if wanted is None or _key(own) in wanted:
                    members[end.lower()] = file.extractfile(member).read()
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"dataset.root: {path} must be a whole tar file; {files.brief(error)}") from error
    if members:
        yield key, members


def _key(name: str) -> str:
    """A sample's name as a row's: what parts names of files is no part of it."""
    return name.replace("/", "\\")


def _label(path: Path, key: str, members: Mapping[str, bytes]) -> str:
    """The name or the number of a sample's class."""
    said = next((members[end] for end in LABELS if end in members), None)
    label = said.decode("utf-8", "replace").strip() if said is not None else _of_json(members)
    if label is None:
        raise ValueError(
            f"dataset.root: {path}: sample {key} must have a label, a member .cls or .json; got "
            f"{', '.join(sorted(members))}"
        )
    return rows.NO_LABEL if label.startswith("-") else label


def _of_json(members: Mapping[str, bytes]) -> str | None:
    try:
        card = json.loads(members["json"])
        return next((str(card[key]) for key in IN_JSON if key in card), None)
    except (KeyError, ValueError, TypeError):
        return None


def _names(path: Path) -> list[str]:
    """The names of labels that are numbers, from a file beside the shards or above them."""
    for folder in (path.parent, path.parent.parent):
        for name in NAMES:
            if (folder / name).is_file():
                return (folder / name).read_text(encoding="utf-8").splitlines()
    return []


def _digest(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()
