"""Images that show the same pixels: in the test set and among those trained on, under two labels, twice in a class."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

# reason -> what is said of the test images that are left out for it
MEANING = {
    "seen": "with the pixels of an image that is trained or validated on",
    "labels": "with the pixels of an image of another class",
    "class": "with the pixels of another of their class",
}
# likewise of images that are trained or validated on, which stay
TRAINED = {"trained_labels": MEANING["labels"], "trained_class": MEANING["class"]}

Pairs = Sequence[tuple[str, str]]  # the class of an image, and `pixels_of` it


def screen(test: Pairs, seen: Pairs) -> tuple[np.ndarray, dict[str, int]]:
    """Which of the test images to keep, bool (n,), and how many images repeat others by each reason above.

    seen: a test image has the pixels of an image that is trained or validated on. labels: of a test image of another
    class. class: of one before it in its class. trained_labels, trained_class: the same among the images of `seen`.
    """
    pixels_seen = {pixels for _, pixels in seen}
    why = ["seen" if pixels in pixels_seen else reason for (_, pixels), reason in zip(test, _within(test), strict=True)]
    counts = Counter(why) + Counter(f"trained_{reason}" for reason in _within(seen))
    return np.array([not reason for reason in why], bool), {reason: counts[reason] for reason in (*MEANING, *TRAINED)}


def sentence(found: Mapping[str, int], kept: bool) -> str:
    """What a report says of the counts of `screen`; kept: whether the test images stayed nevertheless."""
    left_out = [f"{found[reason]:,} {meaning}" for reason, meaning in MEANING.items() if found[reason]]
    trained = [f"{found[reason]:,} {meaning}" for reason, meaning in TRAINED.items() if found[reason]]
    said = []
    if left_out:
        said.append(f"Test images that {'were kept' if kept else 'were left out'}: {', '.join(left_out)}.")
    if trained:
        said.append(f"Among the images that are trained or validated on are {', '.join(trained)}.")
    return " ".join(said) or "No test image has the pixels of another image of the study."


def pixels_of(image: np.ndarray) -> str:
    """Digest of an image's size and pixels."""
    return hashlib.sha256(f"{image.shape}\n".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _within(images: Sequence[tuple[str, str]]) -> list[str]:
    """Of (class, digest) each: "labels" where another class has the digest, "class" where it stood before, else ""."""
    classes: dict[str, set[str]] = {}
    for class_name, pixels in images:
        classes.setdefault(pixels, set()).add(class_name)
    before: set[str] = set()
    reasons = []
    for _, pixels in images:
        reasons.append("labels" if len(classes[pixels]) > 1 else "class" if pixels in before else "")
        before.add(pixels)
    return reasons
