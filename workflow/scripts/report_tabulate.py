"""Tabulate accuracies: one row per training set and seed, and the study's table with intervals."""

from realgap.report import tables
from realgap.run import steps
from realgap.store import files, shards


def main() -> None:
    args, _ = steps.parse(__doc__, predictions={"nargs": "+"}, accuracies={}, table={})
    opened = shards.read_all(args.predictions, "predictions")
    accuracies = tables.accuracies([{**one.arrays, **one.attributes} for one in opened])
    for path, frame in ((args.accuracies, accuracies), (args.table, tables.table(accuracies))):
        files.write(path, tables.as_csv(frame).encode())


if __name__ == "__main__":
    steps.run(main)
