"""Plot the table, strips of real and generated images of every class, and both in one picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap.report import figures, style
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
        verdicts={},
        accuracies={},
        shards={"nargs": "+"},
        accuracy=pair,
        narrow=pair,
        strip=pair,
        samples=pair,
        overview=pair,
        gallery=pairs,
    )
    verdicts, accuracies = pd.read_csv(args.verdicts), pd.read_csv(args.accuracies)
    by_source = shards.by_source(options.columns, args.shards)
    opened = {style.name(source): shards.read_all(paths, "images") for source, paths in by_source.items()}
    first = _first_ids(opened)
    columns = {
        title: np.stack([_variants(shard, ids, 1)[:, 0] for shard, ids in zip(of, first[title], strict=True)])
        for title, of in opened.items()
    }
    classes = options.classes
    style.save(figures.accuracy(verdicts, accuracies), *args.accuracy)
    style.save(figures.accuracy_narrow(verdicts, accuracies), *args.narrow)
    strip = {title: images[:IN_STRIP, 0] for title, images in columns.items()}
    style.save(figures.strip(strip, classes[:IN_STRIP]), *args.strip)
    style.save(figures.samples(columns, classes), *args.samples)
    style.save(figures.overview(columns, classes, verdicts, accuracies), *args.overview)
    for number, files in enumerate(zip(args.gallery[::2], args.gallery[1::2], strict=True)):
        rows = slice(IN_GALLERY["images"])
        shown = {
            title: _variants(of[number], first[title][number][rows], IN_GALLERY["variants"])
            for title, of in opened.items()
        }
        real_ids = next(iter(first.values()))[number][rows]
        style.save(figures.gallery(shown, [f"image {image_id}" for image_id in real_ids]), *files)


def _first_ids(opened: dict[str, list[shards.Shard]]) -> dict[str, list[np.ndarray]]:
    """Of each source, the first images of each class, equally many: title -> image ids by class.

    They are the first real images that every source has an image of; of a source that has none of any real image
    (one of kind folder), they are its own first ones. Real images are the first source.
    """
    found = {title: [] for title in opened}
    for of_class in zip(*opened.values(), strict=True):
        ids = [list(dict.fromkeys(shard["image_ids"])) for shard in of_class]
        of_real = [bool({*own} & {*ids[0]}) for own in ids]
        everywhere = set.intersection(*({*own} for own, made in zip(ids, of_real, strict=True) if made))
        for title, own, made in zip(opened, ids, of_real, strict=True):
            found[title].append([one for one in ids[0] if one in everywhere] if made else own)
    count = min(PER_CLASS, *(len(own) for classes in found.values() for own in classes))
    return {title: [np.array(own[:count]) for own in classes] for title, classes in found.items()}


def _variants(shard: shards.Shard, image_ids: np.ndarray, count: int) -> np.ndarray:
    """The first samples of each of these images, as many as each has, (images, variants, h, w, 3)."""
    own = [shard["images"][shard["image_ids"] == image_id][:count] for image_id in image_ids]
    return np.stack([images[: min(map(len, own))] for images in own])


if __name__ == "__main__":
    steps.run(main)
