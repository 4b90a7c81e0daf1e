"""What a user's own data set holds: each image of the study's classes by name, size and content.

An image is known by its content, never by its name or its place in a list: whatever is moved, renamed, added or taken
away around it, it keeps its id, and with it its part of the study and its random numbers.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import grouping
from realgap.data.readers.registry import PICTURES, TAKE
from realgap.data.records import Image, Inventory, check_names
from realgap.store import digests

STATE = Path(".snakemake/realgap")


def take(
    name: str, root: str | Path, classes: Sequence[str] | None, state: Path = STATE, groups: str | None = None
) -> Inventory:
    """The images of these classes in a data set of kind `name`, one of registry.TAKE; None: of all its classes.

    Files are read once and remembered by size and times in a file below `state`. groups: as grouping.of takes them.
    ValueError for classes that are missing, with those that they may have been meant for.
    """
    root = Path(root)
    known = state / f"images-{hashlib.sha256(f'{name} {root.resolve()}'.encode()).hexdigest()[:16]}.json"
    with digests.remembered(known) as of:
        taken = TAKE[name](root, classes, of)
    check_names(taken.images)
    if groups is None:
        return taken
    group_of = grouping.of(groups, [image.name for image in taken.images])
    images = tuple(replace(image, group=group_of[image.name]) for image in taken.images)
    grouping.check(images)
    return replace(taken, images=images)


def imported(name: str, root: str | Path, class_name: str, state: Path = STATE) -> list[Image]:
    """The images of a class in a folder or file of another generator's, its test part left out, by content."""
    images = [image for image in take(name, root, [class_name], state).images if image.given in ("", "train")]
    return sorted(images, key=lambda image: (image.sha256, image.name))


def digest(images: Iterable[Image]) -> str:
    """Of what images show and which class they are of, in their order; their names and places do not count."""
    lines = "".join(f"{image.class_name} {image.given} {image.sha256}\n" for image in images)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def as_csv(images: Iterable[Image], part_of: Callable[[Image], str]) -> str:
    """A line per image: its fields, and the part of the study it is in."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(field.name for field in fields(Image)), "part"])
    writer.writerows([*astuple(image), part_of(image)] for image in images)
    return text.getvalue()


def read(path: str | Path) -> list[Image]:
    """The images of a file that `as_csv` wrote. ValueError naming the file where it is none."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [Image(*row[:3], int(row[3]), *row[4:6]) for row in list(csv.reader(file))[1:]]
    except (UnicodeDecodeError, csv.Error, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: must be an inventory of images; delete it and run snakemake again") from error


def known(path: str | Path, classes: Sequence[str] | None) -> Inventory:
    """What a file that `as_csv` wrote lists of these classes; None: of all. Raises as `read` does."""
    images = read(path)
    chosen = tuple(classes if classes is not None else sorted({image.class_name for image in images}))
    return Inventory(chosen, tuple(image for image in images if image.class_name in chosen))


def pictures(
    name: str, root: str | Path, chosen: Sequence[Image], how: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """(place among the chosen, uint8 (h, w, 3)) of each, in the order in which they are stored, one at a time.

    how: keywords of realgap.data.reading.read. ValueError for one that is another by now.
    """
    return PICTURES[name](Path(root), chosen, dict(how or {}))
