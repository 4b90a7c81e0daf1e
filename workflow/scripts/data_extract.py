"""Write real images of a data set as a shard: a slice of one class, the validation set or the test set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import images as imaging
from realgap.data import loaders, splits
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    dataset: str
    split: str  # "train": images start..stop of classes[0]; "validation", "test": of all classes
    classes: dict[str, int]  # name -> label
    start: int
    stop: int | dict[str, int]  # for the test set of a data set without one: those of each class that are trained on
    validation_images_per_class: int
    test_images_per_class: int | None
    image_size: int
    seed: int
    value_range: list[float] | None = None  # as realgap.data.reading takes them
    background: str | None = None
    fit: str = imaging.CROP  # how an image that is not square becomes so


def main() -> None:
    extract(lambda name: loaders.LOADERS[name])


def extract(loader: Callable[[str], Callable]) -> None:
    """The step with the loader that `loader` gives for the name of a data set."""
    args, options = steps.parse(__doc__, Options, root={"nargs": "?", "default": None}, out={})
    dataset, rows = _choose(loader(options.dataset), args.root and Path(args.root), options)
    dataset = loaders.read_by(dataset, value_range=options.value_range, background=options.background)
    arrays = splits.take(dataset, rows, options.image_size, options.fit)
    if odd := [name for name, label in options.classes.items() if dataset.class_names.index(name) != label]:
        raise ValueError(f"dataset: class {odd[0]!r} must have the label {options.classes[odd[0]]}, the catalog's")
    save(args.out, arrays, options)


def save(path: str, arrays: Mapping[str, np.ndarray], options: Any, **more: Any) -> None:
    """Write the shard of real images, (n, h, w, 3) and what belongs to them. ValueError if all show the same."""
    images = arrays["images"]
    if len(images) > 1 and (images == images[0]).all():
        raise ValueError(f"dataset: the {len(images)} images of {', '.join(options.classes)} are all the same")
    made = {"step": "extract", "source": "real", "options": steps.said(options), naming.KEY: options.classes, **more}
    shards.write(path, "images", arrays, made)


def _choose(load: Callable, root: Path | None, options: Options) -> tuple[splits.Dataset, np.ndarray]:
    classes, seed, validation = list(options.classes), options.seed, options.validation_images_per_class
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
