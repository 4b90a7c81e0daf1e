"""Plot the table, strips of real and generated images of every class, and both in one picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap import figures, shards, steps


@dataclass(frozen=True)
class Options:
    classes: list[str]
    columns: list[str]  # sources, in the order of --shards: all classes of the first source, then of the next


PER_CLASS = 8


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, options = steps.parse(
        __doc__, Options, table={}, accuracies={}, shards={"nargs": "+"}, accuracy=pair, samples=pair, overview=pair
    )
    table, accuracies = pd.read_csv(args.table), pd.read_csv(args.accuracies)
    columns = {}
    for source, paths in zip(options.columns, np.array_split(args.shards, len(options.columns)), strict=True):
        columns[figures.name(source)] = np.stack([_first_variants(path) for path in paths])
    classes = options.classes
    figures.save(figures.accuracy(table, accuracies), *args.accuracy)
    figures.save(figures.samples(columns, classes), *args.samples)
    figures.save(figures.overview(columns, classes, table, accuracies), *args.overview)


def _first_variants(path: str) -> np.ndarray:
    """The first sample of each of the first images of a shard: the same images in every column."""
    shard = shards.read(path, "images")
    return shard["images"][shard["variants"] == 0][:PER_CLASS]


if __name__ == "__main__":
    steps.run(main)
