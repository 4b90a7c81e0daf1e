"""Tabulate accuracies: one row per training set and seed, and the study's table with intervals."""

from realgap import shards, steps, tables
from realgap.files import whole


def main() -> None:
    args, _ = steps.parse(__doc__, predictions={"nargs": "+"}, accuracies={}, table={})
    opened = [shards.read(path, "predictions") for path in args.predictions]
    accuracies = tables.accuracies([{**one.arrays, **one.attributes} for one in opened])
    for path, frame in ((args.accuracies, accuracies), (args.table, tables.table(accuracies))):
        with whole(path) as beside:
            frame.to_csv(beside, index=False, float_format="%.6f")


if __name__ == "__main__":
    steps.run(main)
