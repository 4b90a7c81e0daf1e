"""Plot the table, strips of real and generated images of every class, and both in one picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap.report import figures
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    classes: list[str]
    columns: list[str]  # sources, in the order of --shards: all classes of the first source, then of the next


PER_CLASS = 8
IN_STRIP = 12  # classes
IN_GALLERY = {"images": 3, "variants": 5}


def main() -> None:
    pair, pairs = {"nargs": 2, "metavar": ("PNG", "SVG")}, {"nargs": "+", "metavar": "PNG SVG"}
    args, options = steps.parse(
        __doc__,
        Options,
        table={},
        accuracies={},
        shards={"nargs": "+"},
        accuracy=pair,
        narrow=pair,
        strip=pair,
        samples=pair,
        overview=pair,
        gallery=pairs,
    )
    table, accuracies = pd.read_csv(args.table), pd.read_csv(args.accuracies)
    by_source = zip(options.columns, np.array_split(args.shards, len(options.columns)), strict=True)
    opened = {figures.name(source): [shards.read(path, "images") for path in paths] for source, paths in by_source}
    common = _common_ids(opened)
    columns = {
        title: np.stack([_variants(shard, ids, 1)[:, 0] for shard, ids in zip(of, common, strict=True)])
        for title, of in opened.items()
    }
    classes = options.classes
    figures.save(figures.accuracy(table, accuracies), *args.accuracy)
    figures.save(figures.accuracy_narrow(table, accuracies), *args.narrow)
    first = {title: images[:IN_STRIP, 0] for title, images in columns.items()}
    figures.save(figures.strip(first, classes[:IN_STRIP]), *args.strip)
    figures.save(figures.samples(columns, classes), *args.samples)
    figures.save(figures.overview(columns, classes, table, accuracies), *args.overview)
    for number, files in enumerate(zip(args.gallery[::2], args.gallery[1::2], strict=True)):
        image_ids = common[number][: IN_GALLERY["images"]]
        shown = {title: _variants(of[number], image_ids, IN_GALLERY["variants"]) for title, of in opened.items()}
        figures.save(figures.gallery(shown, [f"image {image_id}" for image_id in image_ids]), *files)


def _common_ids(opened: dict[str, list[shards.Shard]]) -> list[np.ndarray]:
    """The first images of each class that every source has, equally many of each class."""
    of_classes = []
    for of_class in zip(*opened.values(), strict=True):
        everywhere = set.intersection(*(set(shard["image_ids"]) for shard in of_class))
        in_order = dict.fromkeys(of_class[0]["image_ids"])
        of_classes.append([image_id for image_id in in_order if image_id in everywhere])
    count = min(PER_CLASS, *map(len, of_classes))
    return [np.array(image_ids[:count]) for image_ids in of_classes]


def _variants(shard: shards.Shard, image_ids: np.ndarray, count: int) -> np.ndarray:
    """The first samples of each of these images, (images, variants, h, w, 3)."""
    return np.stack([shard["images"][shard["image_ids"] == image_id][:count] for image_id in image_ids])


if __name__ == "__main__":
    steps.run(main)
