"""Captions of photographs in folders: what the folder holds, what kind of thing that is, and how the image looks.

A model is steered by what its captions vary. Class names alone teach it ten or two hundred directions; six in ten
captions therefore begin with a word for each cell of a grid, read off its pixels: its colour, and towards which side it
grows lighter and how sharply. So an inverted embedding can move colours and edges about as well as classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realgap.streams import stream

VARIANTS = 4  # captions drawn for each image
LOOKS_SHARE = 0.6  # of the captions say how the image looks
SUBJECTS = ("{name}", "{name}, a {kind}", "{kind}")
TEMPLATES = (
    "{}",
    "a {}",
    "a photo of a {}",
    "a small photo of a {}",
    "a close-up photo of a {}",
    "a photo of a {} outdoors",
    "a picture of one {}",
)
GRID = 8  # cells a side; their words follow each other row by row, from the top left
SIDES = ("east", "southeast", "south", "southwest", "west", "northwest", "north", "northeast")
# Grey levels, root mean square, by which a cell departs from its mean along its slope: from the first on the side that
# is lighter is told ("tan" becomes "tanwest"), from the second on as an edge ("tanwestedge").
SLOPES = (6, 25)

# sRGB; a cell's word is one token
COLOURS = {
    "black": (12, 12, 12),
    "charcoal": (55, 55, 55),
    "grey": (110, 110, 110),
    "silver": (170, 170, 170),
    "white": (240, 240, 240),
    "navy": (30, 40, 85),
    "blue": (60, 100, 175),
    "azure": (140, 180, 225),
    "teal": (50, 115, 115),
    "forest": (35, 60, 30),
    "green": (80, 125, 60),
    "olive": (110, 110, 65),
    "lime": (155, 185, 90),
    "umber": (60, 42, 28),
    "brown": (112, 82, 55),
    "tan": (165, 138, 105),
    "cream": (222, 205, 175),
    "maroon": (95, 30, 30),
    "red": (185, 50, 45),
    "orange": (220, 130, 50),
    "yellow": (228, 200, 75),
    "pink": (215, 150, 155),
    "purple": (110, 75, 130),
}


@dataclass(frozen=True)
class Entry:
    """What the images of a folder show: a name, and the kind of thing it is (its hypernym in plain words)."""

    name: str
    kind: str


def read_table(path: str | Path) -> dict[str, Entry]:
    """folder -> Entry, from tab-separated lines folder, name, kind below a header. ValueError names a wrong line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].split("\t") != ["folder", "name", "kind"]:
        raise ValueError(f"{path}: must begin with the columns folder, name, kind, separated by tabs")
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 3 or not all(cells):
            raise ValueError(f"{path}: line {number} must be a folder, a name and a kind, got {line!r}")
        if cells[0] in entries:
            raise ValueError(f"{path}: line {number} must name a folder of its own, got {cells[0]} twice")
        entries[cells[0]] = Entry(*cells[1:])
    return entries


def write(images: np.ndarray, entries: Sequence[Entry], image_ids: np.ndarray, seed: int) -> list[str]:
    """VARIANTS captions for each of `images` uint8 (n, h, w, 3): first one for every image, then the next for every.

    Captions of an image depend on (seed, its id, its pixels, its entry) only.
    """
    words = cells(images)
    return [
        _caption(entry, grid, stream(seed, "photo_caption", image_id, variant))
        for variant in range(VARIANTS)
        for entry, grid, image_id in zip(entries, words, image_ids, strict=True)
    ]


def looks(images: np.ndarray, name: str) -> list[str]:
    """A prompt for each of `images` uint8 (n, h, w, 3) of a `name` that tells its looks as captions of training do."""
    return [_looks(words, name) for words in cells(images)]


def cells(images: np.ndarray) -> np.ndarray:
    """The word of each cell of an eight by eight grid: str (n, 8, 8) of uint8 (n, h, w, 3), h and w at least 8."""
    n, height, width, _ = images.shape
    high, wide = height // GRID, width // GRID
    cut = images[:, : high * GRID, : wide * GRID].reshape(n, GRID, high, GRID, wide, 3)
    palette = np.array(list(COLOURS.values()), dtype=np.float32)
    # |mean - colour|^2 without |mean|^2, which all colours share
    distances = (palette**2).sum(axis=1) - 2 * cut.mean(axis=(2, 4), dtype=np.float32) @ palette.T
    grey = cut.mean(axis=5, dtype=np.float32)
    east = np.einsum("niajb,b->nij", grey, _ramp(wide)) / (high * wide)
    south = np.einsum("niajb,a->nij", grey, _ramp(high)) / (high * wide)
    side = np.round(np.arctan2(south, east) / (np.pi / 4)).astype(int) % len(SIDES)
    names, steep = np.array(list(COLOURS))[distances.argmin(axis=-1)], np.hypot(east, south)
    sides = np.where(steep < SLOPES[0], "", np.array(SIDES)[side])
    return np.char.add(np.char.add(names, sides), np.where(steep < SLOPES[1], "", "edge"))


def _ramp(size: int) -> np.ndarray:
    """Positions along a side of `size` pixels, with mean 0 and mean square 1."""
    centred = np.arange(size, dtype=np.float32) - (size - 1) / 2
    return centred / max(np.sqrt((centred**2).mean()), 1e-9)


def _caption(entry: Entry, words: np.ndarray, random: np.random.Generator) -> str:
    subject = SUBJECTS[random.integers(len(SUBJECTS))].format(name=entry.name, kind=entry.kind)
    template = TEMPLATES[random.integers(len(TEMPLATES))]
    if random.random() < LOOKS_SHARE:
        return _looks(words, subject)
    return template.format(subject)


def _looks(words: np.ndarray, subject: str) -> str:
    return f"{' '.join(words.ravel())}, a {subject}"  # more would not fit into the 77 tokens of a prompt
