"""Which of a user's own images a study trains on, validates on and is tested on: a matter of each image's content.

An image's part follows from its digest and the study's seed, or from the folder where the data set has a test
part of its own. It never depends on which other images there are or how many are trained on. Within a part the order
follows from the digest too, so that a smaller number of images is contained in a larger one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realgap import streams
from realgap.data import inventory
from realgap.data.inventory import Image


@dataclass(frozen=True)
class Split:
    """How a study splits what a data set does not split itself."""

    seed: int
    test_share: float  # of the images that are no test part already, and as much for validation where there is one
    validation: int  # images of each class
    stop: int = 0  # images of each class that are trained on


class Parts:
    """The images of each part and class of a study, in its order, those of one content once."""

    def __init__(self, images: Sequence[Image], split: Split) -> None:
        self.images, self.split = images, split
        contents = [image.content for image in images]
        self._part = dict(zip(images, _parts(images, contents, split), strict=True))
        rank = dict(zip(contents, streams.ranks(split.seed, "subset", contents).tolist(), strict=True))
        first: dict[tuple[str, str], dict[int, Image]] = {}
        for image in images:
            first.setdefault((self.part_of(image), image.class_name), {}).setdefault(image.content, image)
        self._of = {key: sorted(of.values(), key=lambda i: (rank[i.content], i.content)) for key, of in first.items()}

    def part_of(self, image: Image) -> str:
        """train, validation or test."""
        return self._part[image]

    def of(self, part: str, class_name: str) -> list[Image]:
        """The images of a part and class in the study's order, of those with one content the first by name."""
        return self._of.get((part, class_name), [])

    def chosen(self, part: str, classes: Sequence[str], start: int, stop: int) -> list[Image]:
        """What a shard is made of: training images start..stop of each class, or all that may be in another part."""
        span = {"train": slice(start, stop), "validation": slice(self.split.validation), "test": slice(None)}[part]
        return [image for name in classes for image in self.of(part, name)[span]]

    def seen(self, classes: Sequence[str]) -> list[Image]:
        """The images that the study trains or validates on."""
        return [image for part in ("train", "validation") for image in self.chosen(part, classes, 0, self.split.stop)]

    def digest(self, part: str, classes: Sequence[str], start: int, stop: int) -> str:
        """Of all that a shard depends on: the images chosen for it, and for the test set those that are seen."""
        chosen = self.chosen(part, classes, start, stop)
        return inventory.digest([*chosen, *(self.seen(classes) if part == "test" else [])])

    def as_csv(self) -> str:
        """The inventory: a line per image with the part that it is in."""
        return inventory.as_csv(self.images, self.part_of)

    def content(self) -> str:
        """Digest of the inventory, names included."""
        return hashlib.sha256(self.as_csv().encode()).hexdigest()[:16]

    def check(self, classes: Sequence[str]) -> None:
        """ValueError with one line for the first class with too few images to train on, validate on or test on."""
        for name in classes:
            train, validation, test = (self.of(part, name) for part in ("train", "validation", "test"))
            n = len({image.content for image in self.images if image.class_name == name})
            kept = f"(of {n} different ones; {len(validation)} are kept for validation, {len(test)} for testing)"
            if len(train) < self.split.stop:
                raise ValueError(
                    f"dataset.images_per_class: class {name!r} has {len(train)} images to train on {kept}, "
                    f"got {self.split.stop}"
                )
            if len(validation) < self.split.validation:
                raise ValueError(
                    f"dataset.validation_images_per_class: class {name!r} has {len(validation)} images to validate "
                    f"on {kept}, got {self.split.validation}; dataset.test_share says how many are kept"
                )
            if not test:
                raise ValueError(
                    f"dataset.test_share: class {name!r} must have images to test on, got none {kept}; add some, or "
                    "raise it"
                )


def _parts(images: Sequence[Image], contents: Sequence[int], split: Split) -> list[str]:
    at = streams.ranks(split.seed, "part", contents) / 2.0**64
    first = 0.0 if any(image.given == "test" for image in images) else split.test_share
    second = first + (split.test_share if split.validation else 0.0)
    drawn = np.select([at < first, at < second], ["test", "validation"], "train").tolist()
    return ["test" if image.given == "test" else part for image, part in zip(images, drawn, strict=True)]
