"""Captions that say what a photograph shows: what its folder holds, what kind of thing that is, at times its colours.

Every caption has the kind, so that a class prompt is a caption of training; six in ten have the class too. Three in ten
end in the colours of three places, which mirroring leaves as they are.
"""

from collections.abc import Sequence

import numpy as np

from realgap.pretraining.captions import COLOURS, Entry
from realgap.streams import stream

VARIANTS = 4  # captions drawn for each image
NAMED_SHARE = 0.6  # of the captions have the class beside its kind
COLOURS_SHARE = 0.3
TEMPLATES = (
    "a {}",
    "a photo of a {}",
    "a photo of a {}",
    "a small photo of a {}",
    "a close-up photo of a {}",
    "a photo of a {} outdoors",
    "a picture of one {}",
)
# rows and columns as shares of the sides
PLACES = {"above": ((0, 0.25), (0, 1)), "below": ((0.75, 1), (0, 1)), "within": ((0.3, 0.7), (0.3, 0.7))}


def write(images: np.ndarray, entries: Sequence[Entry], image_ids: np.ndarray, seed: int) -> list[str]:
    """VARIANTS captions for each of `images` uint8 (n, h, w, 3): first one for every image, then the next for every.

    Captions of an image depend on (seed, its id, its pixels, its entry) only.
    """
    colours = appearances(images)
    return [
        _caption(entry, colour, stream(seed, "kind_caption", image_id, variant))
        for variant in range(VARIANTS)
        for entry, colour, image_id in zip(entries, colours, image_ids, strict=True)
    ]


def appearances(images: np.ndarray) -> list[str]:
    """The nearest colour word of each place of `images` uint8 (n, h, w, 3): "azure above, green below, tan within"."""
    palette, words = np.array(list(COLOURS.values()), dtype=np.float32), list(COLOURS)
    _, height, width, _ = images.shape
    found = []
    for (top, bottom), (left, right) in PLACES.values():
        part = images[:, round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
        mean = part.mean(axis=(1, 2), dtype=np.float32)
        found.append(np.square(mean[:, None] - palette).sum(axis=-1).argmin(axis=1))
    return [
        ", ".join(f"{words[i]} {place}" for i, place in zip(row, PLACES, strict=True))
        for row in zip(*found, strict=True)
    ]


def _caption(entry: Entry, colours: str, random: np.random.Generator) -> str:
    named, coloured = random.random(2) < (NAMED_SHARE, COLOURS_SHARE)
    subject = f"{entry.name}, a {entry.kind}" if named and entry.name != entry.kind else entry.kind
    caption = TEMPLATES[random.integers(len(TEMPLATES))].format(subject)
    return f"{caption}, {colours}" if coloured else caption
