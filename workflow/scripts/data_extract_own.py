"""Write images of a user's own data set as a shard: a slice of one class, the validation set or the test set."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realgap.data import grouping, inventory, own, repeats
from realgap.data import images as imaging
from realgap.data.records import Image
from realgap.run import steps
from scripts import data_extract


@dataclass(frozen=True)
class Options:
    dataset: str
    split: str  # "train": images start..stop of the one class; "validation", "test": of all classes
    classes: dict[str, int]  # name -> label
    start: int
    stop: int | dict[str, int]  # for the test set of each class how many are trained on
    validation_images_per_class: int
    test_images_per_class: int | None
    test_share: float
    keep_repeats: bool
    near_repeat: float  # correlation from which on an image nearly repeats another
    image_size: int
    seed: int
    images: str  # digest of what is to be extracted: what the inventory says must be that
    value_range: list[float] | None = None  # as realgap.data.reading takes them
    background: str | None = None
    fit: str = imaging.CROP  # how an image that is not square becomes so

    @property
    def how(self) -> dict[str, Any]:
        return {"value_range": self.value_range, "background": self.background}


def main() -> None:
    args, options = steps.parse(__doc__, Options, root={}, inventory={}, out={})
    split = own.Split(options.seed, options.test_share, options.validation_images_per_class, options.stop)
    parts = own.Parts(inventory.read(args.inventory), split)
    parts.check(list(options.classes))
    what = options.split, list(options.classes), options.start, options.stop
    if parts.digest(*what) != options.images:
        raise ValueError(f"{args.inventory}: must be of the images that are there now; run snakemake again")
    chosen, more = parts.chosen(*what), {}
    if options.split == "test":
        chosen, more = _tested(args, options, chosen, parts.seen(list(options.classes)))
    if options.split != "train" and any(image.group for image in chosen):
        more[grouping.KEY] = grouping.numbers([image.group for image in chosen])
    images, looks = _resized(args, options, chosen)
    arrays = {
        "images": images,
        "labels": np.array([options.classes[image.class_name] for image in chosen], np.int64),
        "image_ids": np.array([image.image_id for image in chosen], np.int64),
        "variants": np.zeros(len(chosen), np.int32),
    }
    data_extract.save(args.out, arrays, options, looks=looks, **more)


def _resized(args: Any, options: Options, chosen: Sequence[Image]) -> tuple[np.ndarray, dict[str, int]]:
    """The images (n, size, size, 3), of which one is held at its own size at a time; how many were grey or oblong."""
    images = np.empty((len(chosen), options.image_size, options.image_size, 3), np.uint8)
    looks: Counter[str] = Counter()
    pictures = inventory.pictures(options.dataset, args.root, chosen, {**options.how, "side": options.image_size})
    for place, picture in pictures:
        looks["grey"] += bool((picture[..., :1] == picture).all())
        looks["oblong"] += picture.shape[0] != picture.shape[1]
        looks["enlarged"] += min(picture.shape[:2]) < options.image_size
        images[place] = imaging.resize_one(picture, options.image_size, options.fit)
    return images, dict(looks)


def _tested(
    args: Any, options: Options, candidates: Sequence[Image], seen: Sequence[Image]
) -> tuple[list[Image], dict[str, dict[str, int]]]:
    """The images of the test set, and how many were left out because their pixels are elsewhere too."""

    def looks(images: Sequence[Image]) -> list[tuple[str, str, np.ndarray]]:
        found = [("", "", np.zeros(0, np.uint8))] * len(images)
        for place, picture in inventory.pictures(options.dataset, args.root, images, options.how):
            found[place] = images[place].class_name, *repeats.look_at(picture)
        return found

    unique, found = repeats.screen(looks(candidates), looks(seen), options.near_repeat)
    kept = [image for image, is_kept in zip(candidates, unique | options.keep_repeats, strict=True) if is_kept]
    chosen = []
    for name in options.classes:
        of_one = [image for image in kept if image.class_name == name][: options.test_images_per_class]
        if not of_one:
            raise ValueError(
                f"dataset: class {name!r} must have images to test on; all its test images repeat others"
                + "".join(
                    f", {count} {repeats.MEANING[reason]}"
                    for reason, count in found.items()
                    if count and reason in repeats.MEANING
                )
            )
        chosen += of_one
    return chosen, {"repeats": found}


if __name__ == "__main__":
    steps.run(main)
