"""Which files of a folder are pictures of a class: no hidden and no system files; links are followed, loops are not."""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Pillow's name of a format -> how such files are called; a file's content decides how it is read. None whose
# reader starts another program (that of EPS starts Ghostscript)
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "AVIF": (".avif",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# what operating systems and storage leave in folders, in lower case; whatever starts with a dot is none of the user's
SYSTEM = (
    *("__macosx", "@eadir", "#recycle", "@recycle", "@recently-snapshot", "@tmp", "#snapshot", "$recycle.bin"),
    *("lost+found", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
)
# the folders of a data set's own parts; where there is no test/, what is called validation is tested on
TRAIN, VALIDATION, TEST = ("train",), ("val", "valid", "validation"), ("test",)


@dataclass
class Unread:
    """What lies among the pictures and is not read: suffix -> how many files, and one of them each."""

    count: Counter[str] = field(default_factory=Counter)
    example: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, path: str) -> None:
        self.count[kind] += 1
        self.example.setdefault(kind, path)

    def __str__(self) -> str:
        kinds = (f"{count} {kind} (such as {self.example[kind]})" for kind, count in self.count.most_common())
        return ", ".join(kinds)


def is_data(name: str) -> bool:
    """Whether a file or folder of this name is the user's own, not the system's."""
    return not name.startswith(".") and name.lower() not in SYSTEM


def parts(root: Path) -> dict[str, Path]:
    """The folders of a data set by what they are for: train, validation and test, or "" for one without parts.

    ValueError unless root is a folder, or where it holds test/ without train/.
    """
    if not root.is_dir():
        raise ValueError(f"dataset.root: must be a folder of images, one folder a class; got {root}")
    train, validation, test = (
        next((root / name for name in names if (root / name).is_dir()), None) for names in (TRAIN, VALIDATION, TEST)
    )
    if train is None:
        if validation or test:
            raise ValueError(f"dataset.root: must hold train/ beside test/ or val/; got {root}")
        return {"": root}
    if test is None:
        validation, test = None, validation
    found = {"train": train, "validation": validation, "test": test}
    return {name: folder for name, folder in found.items() if folder} if test else {"": train}


def part(root: Path, split: str) -> Path | None:
    """The folder of a part, "train" or "test", or None where the data set has no test part of its own."""
    found = parts(root)
    return found.get(split, found.get("") if split == "train" else None)


def class_names(part: Path) -> list[str]:
    """The folders of a part, sorted. ValueError when there is none. A link to what holds the part is no class."""
    above = {_identity(os.stat(part)), *_above(part)}
    with os.scandir(part) as entries:
        own = [entry for entry in entries if is_data(entry.name) and _is(entry.is_dir)]
    names = sorted(entry.name for entry in own if _identity(entry.stat()) not in above)
    if not names:
        raise ValueError(f"dataset.root: must hold a folder a class; {part} has none")
    return names


def pictures(folder: Path, unread: Unread | None = None) -> list[Path]:
    """The pictures in a class's folder and in the folders below it, sorted; what else is there is counted in `unread`.

    Each folder is looked at once, whichever links lead to it: so loops end. What holds the class's folder, and with it
    other classes, is not looked at.
    """
    return sorted(_walk(folder, _above(folder), Unread() if unread is None else unread))


def _above(folder: Path) -> set[tuple[int, int]]:
    """All folders that hold a folder: by its path as it is written, and as links lead to it and to its place."""
    written = folder.absolute()
    paths = (written, written.resolve(), written.parent.resolve() / written.name)
    return {_identity(os.stat(one)) for path in paths for one in path.parents}


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _walk(folder: Path, seen: set[tuple[int, int]], unread: Unread) -> Iterator[Path]:
    if (identity := _identity(os.stat(folder))) in seen:
        return
    seen.add(identity)
    with os.scandir(folder) as entries:
        own = sorted((entry for entry in entries if is_data(entry.name)), key=lambda entry: entry.name)
    for entry in own:
        suffix = os.path.splitext(entry.name)[1].lower()
        if _is(entry.is_dir):
            yield from _walk(Path(entry.path), seen, unread)
        elif suffix in SUFFIXES and _is(entry.is_file):
            yield Path(entry.path)
        else:
            odd = ("broken link" if entry.is_symlink() else "special file") if suffix in SUFFIXES else ""
            unread.add(odd or suffix or "without a suffix", entry.path)


def _is(asked: Callable[[], bool]) -> bool:
    """What an entry of a folder answers; a link that leads to itself is neither file nor folder."""
    try:
        return asked()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False
