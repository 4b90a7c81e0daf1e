"""Images that are rows of files: which files there are, what each row is, and the rows of one file after another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import folders, splits_given
from realgap.data.records import Image, Inventory, check_classes

NO_LABEL = ""  # of a row that says none

Row = tuple[str, str, str, int, str]  # its key, its class, the part that the file puts it in, bytes, SHA-256


def take(
    root: Path,
    chosen: Sequence[str] | None,
    of: Callable,
    suffix: str,
    listed: Callable[[Path], list[Row]],
    names: Callable[[Path], Sequence[str]] = lambda path: (),
) -> Inventory:
    """The rows of every file called *suffix at root, each read once.

    listed: what each row of a file is. names: of classes that a file calls by their numbers.
    """
    found, unread = [], folders.Unread()
    for path in _files(root, suffix):
        inside = _inside(path, root)
        given, known = _of_path(inside), names(path)
        for key, label, own, size, sha256 in of(path, listed):
            if label == NO_LABEL:
                unread.add("row without one label", f"{path}, row {key}")
            else:
                found.append((f"{inside}/{key}", _named(label, known), own or given, size, sha256))
    there = sorted({class_name for _, class_name, *_ in found})
    classes = there if chosen is None else list(chosen)
    check_classes(classes, there, f"{root} must hold images of each")
    parts = splits_given.as_they_are([given for _, _, given, *_ in found])
    wanted = set(classes)
    images = [Image(*row[:2], part, *row[3:]) for row, part in zip(found, parts, strict=True) if row[1] in wanted]
    return Inventory(tuple(classes), tuple(images), unread)


def pictures(
    root: Path,
    chosen: Sequence[Image],
    how: Mapping[str, Any],
    suffix: str,
    opened: Callable[[Path, Sequence[str], Mapping[str, Any]], Iterator[tuple[int, str, np.ndarray]]],
) -> Iterator[tuple[int, np.ndarray]]:
    """One file after another. ValueError for a row that is another by now.

    opened: (place among the keys, digest as `listed` gave it, image) of some rows of a file, in the order in which they
    are stored.
    """
    for path in _files(root, suffix):
        inside = _inside(path, root)
        own = [place for place, image in enumerate(chosen) if image.name.rpartition("/")[0] == inside]
        keys = [chosen[place].name.rpartition("/")[2] for place in own]
        for number, sha256, image in opened(path, keys, how) if keys else ():
            check_same(path, sha256, chosen[own[number]])
            yield own[number], image


def check_same(path: Path, sha256: str, image: Image) -> None:
    """Raise ValueError for an image that is not the one that was listed."""
    if sha256 != image.sha256:
        raise ValueError(f"{path}: must be as it was when snakemake began, {image.name} is not; run it again")


def _files(root: Path, suffix: str) -> list[Path]:
    """The files of a folder, or the one. ValueError where there is none."""
    inside = sorted(path for path in root.rglob(f"*{suffix}") if path.is_file()) if root.is_dir() else [root]
    inside = [path for path in inside if all(map(folders.is_data, path.relative_to(root).parts))]
    if not inside:
        raise ValueError(f"dataset.root: must hold files called *{suffix}; got {root}")
    return inside


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if root.is_dir() else path.name


def _named(label: str, names: Sequence[str]) -> str:
    return names[int(label)] if label.isdecimal() and int(label) < len(names) else label


def _of_path(inside: str) -> str:
    """The part that a file's name says, else the nearest folder that says one."""
    return next((given for part in reversed(inside.split("/")) if (given := splits_given.of_name(part))), "")
