"""Images that show the same pixels: in the test set and among those trained on, under two labels, twice in a class."""

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np

# reason -> what is said of the images that are left out for it
MEANING = {
    "seen": "with the pixels of an image that is trained or validated on",
    "labels": "with the pixels of an image of another class",
    "class": "with the pixels of another of their class",
}


def screen(
    test: Iterable[tuple[str, np.ndarray]], seen: Iterable[tuple[str, np.ndarray]]
) -> tuple[np.ndarray, dict[str, int]]:
    """Which of the test images to keep, bool (n,), and how many are left out for each reason in MEANING.

    Both are pairs of a class and an image uint8 (h, w, 3), of any size. seen: a test image has the pixels of an image
    that is trained or validated on. labels: of a test image of another class. class: of one before it in its class.
    """
    known = {pixels_of(image) for _, image in seen}
    own = [(class_name, pixels_of(image)) for class_name, image in test]
    classes: dict[str, set[str]] = {}
    for class_name, pixels in own:
        classes.setdefault(pixels, set()).add(class_name)
    why: list[str] = []
    before: set[str] = set()
    for _, pixels in own:
        reason = "seen" if pixels in known else "labels" if len(classes[pixels]) > 1 else "class"
        why.append(reason if reason != "class" or pixels in before else "")
        before.add(pixels)
    counts = Counter(filter(None, why))
    return np.array([not reason for reason in why], bool), {reason: counts[reason] for reason in MEANING}


def pixels_of(image: np.ndarray) -> str:
    """Digest of an image's size and pixels."""
    return hashlib.sha256(f"{image.shape}\n".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
