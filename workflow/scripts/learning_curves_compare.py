"""Compare accuracy across numbers of real images: tables, figure, section."""

from dataclasses import dataclass

from realgap.analyses.learning_curves import figures as drawing
from realgap.analyses.learning_curves import section as analysis
from realgap.report import sections, style, tables
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    per_image: dict[str, int]  # training set -> generated images of each real one
    pool: int  # real images of each class that the draws are taken from
    margin: float  # points of accuracy
    evaluate_on: str  # test or validation
    picks: dict[str, str]  # row -> the same with a random pick of candidates


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    outputs = {"table": {}, "worth": {}, "accuracies": {}, "figure": pair, "section": {}}
    args, options = steps.parse(__doc__, Options, predictions={"nargs": "+"}, **outputs)
    read = shards.read_all(args.predictions, "predictions")
    runs = [{**one.arrays, **one.attributes, **one.attributes["options"]} for one in read]
    right = analysis.correct(runs)
    table = analysis.compared(right, options.margin / 100, options.picks, tables.guessing(runs[0]["labels"]))
    worths = analysis.worths(right, options.per_image)
    for path, frame in ((args.table, table), (args.worth, worths), (args.accuracies, analysis.accuracies(runs))):
        tables.save(path, frame)
    style.save(drawing.curves(table), *args.figure)
    sections.save(args.section, analysis.section(table, worths, options.pool, options.evaluate_on))


if __name__ == "__main__":
    steps.run(main)
