"""Write real images of a data set as a shard: a slice of one class, the validation set or the test set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realgap.data import loaders, splits
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    dataset: str
    root: str | None
    split: str  # "train": images start..stop of classes[0]; "validation", "test": of all classes
    classes: list[str]
    start: int
    stop: int  # for the test set of a data set without one: the images that are trained on
    validation_images_per_class: int
    test_images_per_class: int | None
    image_size: int
    seed: int
    value_range: list[float] | None = None  # as realgap.data.reading takes them
    background: str | None = None


def main() -> None:
    extract(lambda name: loaders.LOADERS[name])


def extract(loader: Callable[[str], Callable]) -> None:
    """The step with the loader that `loader` gives for the name of a data set."""
    args, options = steps.parse(__doc__, Options, out={})
    dataset, rows = _choose(loader(options.dataset), options)
    dataset = loaders.read_by(dataset, value_range=options.value_range, background=options.background)
    made = {"step": "extract", "source": "real", "options": {**steps.said(options), "root": None}}
    arrays = splits.take(dataset, rows, options.image_size)
    if len(rows) > 1 and (arrays["images"] == arrays["images"][0]).all():
        raise ValueError(f"dataset: the {len(rows)} images of {', '.join(options.classes)} are all the same")
    shards.write(args.out, "images", arrays, made)


def _choose(load: Callable, options: Options) -> tuple[splits.Dataset, np.ndarray]:
    root = Path(options.root) if options.root else None
    classes, seed, validation = options.classes, options.seed, options.validation_images_per_class
    if options.split == "test" and (own := load(root, "test")) is not None:
        return own, splits.held_out_rows(own, classes, options.test_images_per_class, seed)
    dataset = load(root, "train")
    if options.split == "train":
        return dataset, splits.training_rows(dataset, classes[0], options.start, options.stop, seed, validation)
    if options.split == "validation":
        return dataset, splits.validation_rows(dataset, classes, validation, seed)
    rows = splits.held_out_rows(dataset, classes, options.test_images_per_class, seed, options.stop, validation)
    return dataset, rows


if __name__ == "__main__":
    steps.run(main)
