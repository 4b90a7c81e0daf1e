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
        columns[figures.name(source)] = [shards.read(path, "images") for path in paths]
    columns = _same_images(columns)
    classes = options.classes
    figures.save(figures.accuracy(table, accuracies), *args.accuracy)
    figures.save(figures.samples(columns, classes), *args.samples)
    figures.save(figures.overview(columns, classes, table, accuracies), *args.overview)


def _same_images(columns: dict[str, list[shards.Shard]]) -> dict[str, np.ndarray]:
    """The first sample of the first images that every source has, (classes, images, h, w, 3) of each source."""
    first = {name: [shard["variants"] == 0 for shard in column] for name, column in columns.items()}
    ids = [[shard["image_ids"][rows] for shard, rows in zip(columns[n], first[n], strict=True)] for n in columns]
    common = [set.intersection(*map(set, of_class)) for of_class in zip(*ids, strict=True)]
    count = min(PER_CLASS, *map(len, common))
    return {
        name: np.stack(
            [
                shard["images"][rows & np.isin(shard["image_ids"], list(shown))][:count]
                for shard, rows, shown in zip(column, first[name], common, strict=True)
            ]
        )
        for name, column in columns.items()
    }


if __name__ == "__main__":
    steps.run(main)
