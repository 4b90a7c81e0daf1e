"""Images that repeat others: in the test set and among those trained on, under two labels, twice in a class."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from realgap.data import images as imaging
from realgap.data import screening

SCREENED_PX = 32  # side at which images are compared that do not have the same pixels

# reason -> what is said of the test images that are left out for it
MEANING = {
    "seen": "with the pixels of an image that is trained or validated on",
    "near": "that differ little from an image which is trained or validated on",
    "labels": "with the pixels of an image of another class",
    "class": "with the pixels of another of their class",
}
# likewise of images that are trained or validated on, which stay
TRAINED = {"trained_labels": MEANING["labels"], "trained_class": MEANING["class"]}

Looks = Sequence[tuple[str, str, np.ndarray]]  # the class of an image, and what `look_at` gives for it


def screen(test: Looks, seen: Looks, near: float) -> tuple[np.ndarray, dict[str, int]]:
    """Which of the test images to keep, bool (n,), and how many images repeat others by each reason above.

    seen: a test image has the pixels of an image that is trained or validated on. near: the colours of the two
    correlate by at least `near`, small shifts and mirroring allowed (realgap.data.screening); at 1 none is looked for.
    labels: a test image has the pixels of one of another class. class: of one before it in its class. trained_labels,
    trained_class: the same among the images of `seen`.
    """
    pixels_seen = {pixels for _, pixels, _ in seen}
    alike = [False] * len(test)
    if near < 1 and test and seen:
        small, small_seen = (np.stack([look for *_, look in images]) for images in (test, seen))
        alike = (screening.closest(small, small_seen).similarity >= near).tolist()
    own, known = ([(class_name, pixels) for class_name, pixels, _ in images] for images in (test, seen))
    why = [
        "seen" if pixels in pixels_seen else "near" if is_alike else reason
        for (_, pixels), is_alike, reason in zip(own, alike, _within(own), strict=True)
    ]
    counts = Counter(why) + Counter(f"trained_{reason}" for reason in _within(known))
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


def look_at(image: np.ndarray) -> tuple[str, np.ndarray]:
    """What repeats are found by: digest of an image's size and pixels, and the image small, uint8 (32, 32, 3)."""
    return imaging.pixels_of(image), imaging.resize([image], SCREENED_PX)[0]


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
