"""Tabulate accuracies: a row per training set and seed, the study's table, every verdict, and what classes reach."""

from dataclasses import dataclass

from realgap.report import metrics, sections, tables
from realgap.run import steps
from realgap.store import files, shards


@dataclass(frozen=True)
class Options:
    margin: float  # points of accuracy


def main() -> None:
    args, options = steps.parse(
        __doc__,
        Options,
        predictions={"nargs": "+"},
        accuracies={},
        table={},
        verdicts={},
        pairs={},
        metrics={},
        section={},
    )
    opened = shards.read_all(args.predictions, "predictions")
    predictions, margin = [{**one.arrays, **one.attributes} for one in opened], options.margin / 100
    accuracies = tables.accuracies(predictions)
    of_classes = metrics.table(predictions)
    for path, frame in (
        (args.accuracies, accuracies),
        (args.table, tables.table(accuracies, tables.references(predictions))),
        (args.verdicts, tables.verdicts(predictions, margin)),
        (args.pairs, tables.pairs(predictions, margin)),
        (args.metrics, of_classes),
    ):
        files.write(path, tables.as_csv(frame).encode())
    sections.save(args.section, metrics.section(of_classes))


if __name__ == "__main__":
    steps.run(main)
