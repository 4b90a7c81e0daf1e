"""Picture files: in a folder for each class, or listed in a CSV file."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import folders, reading, splits_given
from realgap.data.readers import rows
from realgap.data.records import Image, Inventory, check_classes
from realgap.store import files

READERS = 8  # threads that read files side by side
MOST_NAMED = 3  # missing or unreadable files that one message names


def of_folder(root: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    """<root>/<class>/<image>, or the same below train/, val/ and test/."""
    found, unread = [], folders.Unread()
    parts = folders.parts(root)
    first = next(iter(parts.values()))
    classes = folders.class_names(first) if chosen is None else chosen
    for given, part in parts.items():
        check_classes(classes, folders.class_names(part), f"{part} must hold a folder for each")
        for class_name in classes:
            found += [(path, class_name, given) for path in folders.pictures(part / class_name, unread)]
    images = _read(root, found, of)
    return Inventory(tuple(classes), tuple(sorted(images, key=lambda image: image.name)), unread)


def of_csv(listing: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    """A CSV file with the columns file (a path from where it lies), label, and split where it says one."""
    found, unread = _listed(listing), folders.Unread()
    there = sorted({label for _, label, _ in found})
    classes = there if chosen is None else list(chosen)
    check_classes(classes, there, f"{listing} must list images of each")
    wanted = [(listing.parent / name, label, given) for name, label, given in found if label in set(classes)]
    return Inventory(tuple(classes), tuple(_read(listing.parent, wanted, of)), unread)


def pictures(root: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Each file decoded when it is asked for.

    ValueError for one that is another by now, and at the end for those that could not be read.
    """
    unread = []
    for place, image in enumerate(chosen):
        path = root / image.name
        rows.check_same(path, files.sha256(path), image)
        try:
            picture = reading.read(path, **how)
        except ValueError as error:  # of several broken files the user should not hear one by one
            unread.append(str(error))
        else:
            yield place, picture
    if unread:
        more = f"; and {len(unread) - MOST_NAMED} more files" if len(unread) > MOST_NAMED else ""
        raise ValueError("; ".join(unread[:MOST_NAMED]) + more)


def pictures_of_csv(listing: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Likewise, of files that a CSV file lists."""
    return pictures(listing.parent, chosen, how)


def _read(root: Path, found: Sequence[tuple[Path, str, str]], of: Callable) -> list[Image]:
    with futures.ThreadPoolExecutor(READERS) as threads:
        own = list(threads.map(of, [path for path, *_ in found]))
    return [
        Image(path.relative_to(root).as_posix(), class_name, given, path.stat().st_size, sha256)
        for (path, class_name, given), sha256 in zip(found, own, strict=True)
    ]


def _listed(listing: Path) -> list[tuple[str, str, str]]:
    """(file, label, part) of each line."""
    try:
        with open(listing, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lines, columns = list(reader), list(reader.fieldnames or [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"dataset.root: {listing} must be a CSV file in UTF-8; {error}") from error
    if not lines or not {"file", "label"} <= set(columns):
        got = ", ".join(columns) or "nothing"
        raise ValueError(f"dataset.root: {listing} must be a CSV file with the columns file and label; got {got}")
    found = [_line(listing, number, line) for number, line in enumerate(lines, start=2)]
    parts = splits_given.as_they_are([given for *_, given in found])
    found = [(name, label, part) for (name, label, _), part in zip(found, parts, strict=True)]
    missing = [name for name, *_ in found if not (listing.parent / name).is_file()]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise ValueError(
            f"dataset.root: {listing} must list files that are there, from where it lies; not there: "
            f"{', '.join(missing[:MOST_NAMED])}{more}"
        )
    return found


def _line(listing: Path, number: int, line: Mapping[str, Any]) -> tuple[str, str, str]:
    where = f"dataset.root: {listing}, line {number}"
    name, label = line["file"], line["label"]
    if not name or not label or None in line:
        raise ValueError(f"{where}: must have a file, a label and no more cells than the first line")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{where}: must name a file at or below {listing.parent}; got {name}")
    return Path(name).as_posix(), label, splits_given.part(line.get("split") or "", where)
