"""What a user's own data set holds: each image of the study's classes by name, size and content.

An image is known by its content, never by its name or its place in a list: whatever is moved, renamed, added or taken
away around it, it keeps its id, and with it its part of the study and its random numbers.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import folders, loaders, reading, repeats
from realgap.store import digests, files
from realgap.study import names

STATE = Path(".snakemake/realgap")
OWN = ("image_folder", "hdf5")  # data sets that are a user's own
READERS = 8  # threads that read files side by side


@dataclass(frozen=True)
class Image:
    """One image of a data set, without its pixels."""

    name: str  # of the file below root; of a row of an HDF5 file its part and number
    class_name: str
    given: str  # the part that the data set itself puts it in: train, test, or neither ("")
    bytes: int
    sha256: str  # of the file; of a row of an HDF5 file of its shape and pixels

    @property
    def content(self) -> int:
        """63 bits of its digest: two of a million images share one with a chance of 1 in 10 million."""
        return int(self.sha256[:16], 16) >> 1

    @property
    def image_id(self) -> int:
        """Likewise, of its class and digest: under two labels an image is two."""
        return int(hashlib.sha256(f"{self.class_name}/{self.sha256}".encode()).hexdigest()[:16], 16) >> 1


@dataclass(frozen=True)
class Inventory:
    classes: tuple[str, ...]
    images: tuple[Image, ...]
    unread: folders.Unread


def take(name: str, root: str | Path, classes: Sequence[str] | None, state: Path = STATE) -> Inventory:
    """The images of these classes in a data set of kind `name`, one of OWN, sorted by name; None: of all its classes.

    Files are read once and remembered by size and times in a file below `state`. ValueError for classes that are
    missing from a part, with those that they may have been meant for.
    """
    root = Path(root)
    known = state / f"images-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.json"
    with digests.remembered(known) as of:
        return _of_file(root, classes, of) if name == "hdf5" else _of_folder(root, classes, of)


def imported(name: str, root: str | Path, class_name: str, state: Path = STATE) -> list[Image]:
    """The images of a class in a folder or file of another generator's, its test part left out, by content."""
    images = [image for image in take(name, root, [class_name], state).images if image.given != "test"]
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
            return [Image(*row[:3], int(row[3]), row[4]) for row in list(csv.reader(file))[1:]]
    except (UnicodeDecodeError, csv.Error, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: must be an inventory of images; delete it and run snakemake again") from error


def pictures(
    name: str, root: str | Path, chosen: Sequence[Image], how: Mapping[str, Any] | None = None
) -> Sequence[np.ndarray]:
    """The images, each decoded when it is asked for: uint8 (h, w, 3). ValueError for one that is another by now.

    how: keywords of realgap.data.reading.read.
    """
    return _of_rows(Path(root), chosen) if name == "hdf5" else _Files(Path(root), chosen, dict(how or {}))


def _of_folder(root: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    found, unread = [], folders.Unread()
    parts = {split: folders.part(root, split) for split in ("train", "test")}
    classes = folders.class_names(parts["train"]) if chosen is None else chosen
    for split, part in parts.items():
        _check_there(classes, folders.class_names(part) if part else classes, f"{part} must hold a folder for each")
        for class_name in classes if part else ():
            given = split if parts["test"] else ""
            found += [(path, class_name, given) for path in folders.pictures(part / class_name, unread)]
    with futures.ThreadPoolExecutor(READERS) as threads:
        own = list(threads.map(of, [path for path, *_ in found]))
    images = [
        Image(path.relative_to(root).as_posix(), class_name, given, path.stat().st_size, sha256)
        for (path, class_name, given), sha256 in zip(found, own, strict=True)
    ]
    return Inventory(tuple(classes), tuple(sorted(images, key=lambda image: image.name)), unread)


def _of_file(path: Path, chosen: Sequence[str] | None, of: Callable) -> Inventory:
    rows = [Image(*row) for row in of(path, _rows) if path.is_file()]
    there = sorted({image.class_name for image in rows})
    classes = there if chosen is None else chosen
    _check_there(classes, there, f"{path} must hold images of each")
    return Inventory(
        tuple(classes), tuple(image for image in rows if image.class_name in set(classes)), folders.Unread()
    )


def _check_there(classes: Sequence[str], there: Sequence[str], must: str) -> None:
    if missing := [name for name in classes if name not in set(there)]:
        raise ValueError(f"dataset.classes: {must}; none for {names.unknown(missing, there)}")


def _rows(path: Path) -> list[tuple]:
    """The fields of an Image for each row of an HDF5 file."""
    parts = {split: loaders.hdf5(path, split) for split in ("train", "test")}
    return [
        (
            f"{split}/{row}",
            part.class_names[label],
            split if parts["test"] else "",
            image.nbytes,
            repeats.pixels_of(image),
        )
        for split, part in parts.items()
        if part is not None
        for row, (image, label) in enumerate(zip(part.images, part.labels, strict=True))
    ]


class _Files(Sequence):
    """The images of files, each decoded when it is asked for."""

    def __init__(self, root: Path, chosen: Sequence[Image], how: Mapping[str, Any]) -> None:
        self.root, self.chosen, self.how = root, chosen, how

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, row: int) -> np.ndarray:
        path = self.root / self.chosen[row].name
        _check_same(path, files.sha256(path), self.chosen[row])
        return reading.read(path, **self.how)


def _of_rows(path: Path, chosen: Sequence[Image]) -> list[np.ndarray]:
    """The images of rows of an HDF5 file."""
    parts = {split: loaders.hdf5(path, split) for split in {image.name.partition("/")[0] for image in chosen}}
    found = []
    for image in chosen:
        split, _, row = image.name.partition("/")
        found.append(parts[split].images[int(row)])
        _check_same(path, repeats.pixels_of(found[-1]), image)
    return found


def _check_same(path: Path, sha256: str, image: Image) -> None:
    if sha256 != image.sha256:
        raise ValueError(f"{path}: must be as it was when snakemake began, {image.name} is not; run it again")
