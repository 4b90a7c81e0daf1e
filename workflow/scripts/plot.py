"""Plot the table, and a strip of real and generated images of every class."""

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
    args, options = steps.parse(
        __doc__,
        Options,
        table={},
        accuracies={},
        shards={"nargs": "+"},
        accuracy={"nargs": 2},
        samples={"nargs": 2},
    )
    figures.save(figures.accuracy(pd.read_csv(args.table), pd.read_csv(args.accuracies)), *args.accuracy)
    columns = {}
    for source, paths in zip(options.columns, np.array_split(args.shards, len(options.columns)), strict=True):
        columns[figures.name(source)] = np.stack([_first_variants(path) for path in paths])
    smallest = min(images.shape[1] for images in columns.values())
    columns = {title: images[:, :smallest] for title, images in columns.items()}
    figures.save(figures.strips(columns, options.classes), *args.samples)


def _first_variants(path: str) -> np.ndarray:
    """The first sample of each of the first images of a shard: the same images in every column."""
    shard = shards.read(path, "images")
    return shard["images"][shard["variants"] == 0][:PER_CLASS]


if __name__ == "__main__":
    steps.run(main)
