"""Which of a user's own images a study trains on, validates on and is tested on: a matter of each image's content.

An image's part follows from its digest (or its group, such as a patient) and the study's seed, or from the folder where
the data set has a test part of its own. It never depends on which other images there are or how many are trained on;
only a class so small that chance leaves it none to test on, or fewer than two to train on, is given them. Within a part
the order follows from the digest too, so that a smaller number of images is contained in a larger one.
"""

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from realgap import streams
from realgap.data import inventory
from realgap.data.records import Image

MOST_SHORT = 8  # shortfalls that one message names


@dataclass(frozen=True)
class Split:
    """How a study splits what a data set does not split itself."""

    seed: int
    test_share: float  # of the images that are no test part already, and as much for validation where there is one
    validation: int  # images of each class
    stop: int | Mapping[str, int] = 0  # images of each class that are trained on, or of each its own

    def trained(self, class_name: str) -> int:
        return self.stop[class_name] if isinstance(self.stop, Mapping) else self.stop


class Parts:
    """The images of each part and class of a study, in its order, those of one content once."""

    def __init__(self, images: Sequence[Image], split: Split) -> None:
        self.images, self.split = images, split
        contents = [image.content for image in images]
        self._part = dict(zip(images, _parts(images, [image.unit for image in images], split), strict=True))
        rank = dict(zip(contents, streams.ranks(split.seed, "subset", contents).tolist(), strict=True))
        first: dict[tuple[str, str], dict[int, Image]] = {}
        for image in images:
            first.setdefault((self.part_of(image), image.class_name), {}).setdefault(image.content, image)
        self._of = {key: sorted(of.values(), key=lambda i: (rank[i.content], i.content)) for key, of in first.items()}

    def trained_on(self, stop: int | Mapping[str, int]) -> "Parts":
        """The same images of which so many of each class are trained on."""
        other = copy.copy(self)
        other.split = replace(self.split, stop=stop)
        return other

    def part_of(self, image: Image) -> str:
        """train, validation or test."""
        return self._part[image]

    def of(self, part: str, class_name: str) -> list[Image]:
        """The images of a part and class in the study's order, of those with one content the first by name."""
        return self._of.get((part, class_name), [])

    def chosen(self, part: str, classes: Sequence[str], start: int, stop: int | Mapping[str, int]) -> list[Image]:
        """What a shard is made of: training images start..stop of a class, or all that may be in another part."""
        span = {"train": slice(start, stop), "validation": slice(self.split.validation), "test": slice(None)}[part]
        return [image for name in classes for image in self.of(part, name)[span]]

    def seen(self, classes: Sequence[str]) -> list[Image]:
        """The images that the study trains or validates on."""
        trained = [image for name in classes for image in self.of("train", name)[: self.split.trained(name)]]
        return [*trained, *self.chosen("validation", classes, 0, 0)]

    def digest(self, part: str, classes: Sequence[str], start: int, stop: int | Mapping[str, int]) -> str:
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
        """ValueError with one line for all classes with too few images to train on, validate on or test on."""
        if short := [said for name in classes for said in self._short(name)]:
            more = f"; and {len(short) - MOST_SHORT} more" if len(short) > MOST_SHORT else ""
            raise ValueError("; ".join(short[:MOST_SHORT]) + more)

    def _short(self, name: str) -> Iterator[str]:
        train, validation, test = (self.of(part, name) for part in ("train", "validation", "test"))
        n = len({image.content for image in self.images if image.class_name == name})
        kept = f"(of {n} different ones; {len(validation)} are kept for validation, {len(test)} for testing)"
        if len(train) < (stop := self.split.trained(name)) or not stop:
            yield f"dataset.images_per_class: class {name!r} has {len(train)} images to train on {kept}, got {stop}"
        if len(validation) < self.split.validation:
            yield (
                f"dataset.validation_images_per_class: class {name!r} has {len(validation)} images to validate "
                f"on {kept}, got {self.split.validation}; dataset.test_share says how many are kept"
            )
        if not test:
            yield (
                f"dataset.test_share: class {name!r} must have images to test on, got none {kept}; add some, or "
                "raise it"
            )


def _parts(images: Sequence[Image], units: Sequence[int], split: Split) -> list[str]:
    """The part of each image; units: what is put into one part, an image's content or its group."""
    at = streams.ranks(split.seed, "part", units) / 2.0**64
    given = {image.given for image in images}
    first = 0.0 if "test" in given else split.test_share
    second = first + (split.test_share if split.validation and "validation" not in given else 0.0)
    drawn = np.select([at < first, at < second], ["test", "validation"], "train").tolist()
    moved = _moved(images, units, at, first, second) if first else {}
    return [
        image.given if image.given in ("validation", "test") else moved.get(unit, part)
        for image, unit, part in zip(images, units, drawn, strict=True)
    ]


def _moved(
    images: Sequence[Image], units: Sequence[int], at: np.ndarray, first: float, second: float
) -> dict[int, str]:
    """unit -> part, of small classes that chance left nothing to test on or fewer than two to train on.

    What lies nearest to the other part moves.
    """
    place = dict(zip(units, at.tolist(), strict=True))
    of_class: dict[str, set[int]] = {}
    for image, unit in zip(images, units, strict=True):
        of_class.setdefault(image.class_name, set()).add(unit)
    moved: dict[int, str] = {}
    for _, own in sorted(of_class.items()):  # an image may be in two classes, and the list's order is nothing
        if len(own) < 2:
            continue
        order = sorted(own, key=place.__getitem__)
        most = len(own) - min(2, len(own) - 1)
        drawn = [sum(place[unit] < end for unit in own) for end in (first, second)]
        tested = min(max(drawn[0], 1), most)
        kept = min(max(drawn[1], tested), most)
        if [tested, kept] != drawn:
            parts = ["test"] * tested + ["validation"] * (kept - tested) + ["train"] * (len(own) - kept)
            moved |= dict(zip(order, parts, strict=True))
    return moved
