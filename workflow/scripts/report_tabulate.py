"""Tabulate accuracies: a row per training set and seed, the study's table, and every verdict on a difference."""

from dataclasses import dataclass

from realgap.report import tables
from realgap.run import steps
from realgap.store import files, shards


@dataclass(frozen=True)
class Options:
    margin: float  # points of accuracy


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, predictions={"nargs": "+"}, accuracies={}, table={}, verdicts={}, pairs={}
    )
    opened = shards.read_all(args.predictions, "predictions")
    predictions, margin = [{**one.arrays, **one.attributes} for one in opened], options.margin / 100
    accuracies = tables.accuracies(predictions)
    for path, frame in (
        (args.accuracies, accuracies),
        (args.table, tables.table(accuracies)),
        (args.verdicts, tables.verdicts(predictions, margin)),
        (args.pairs, tables.pairs(predictions, margin)),
    ):
        files.write(path, tables.as_csv(frame).encode())


if __name__ == "__main__":
    steps.run(main)
