"""Compare accuracy across generated images per real one: tables, figure, section."""

from realgap.analyses.scaling import figures as drawing
from realgap.analyses.scaling import section as analysis
from realgap.report import sections, style, tables
from realgap.run import steps
from realgap.store import shards


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    files = {"real": {"nargs": "+"}, "full": {"nargs": "*"}, "scaled": {"nargs": "*"}, "variants": {"type": int}}
    files |= {"margin": {"type": float}}
    outputs = {"table": {}, "gains": {}, "accuracies": {}, "figure": pair, "section": {}}
    args, _ = steps.parse(__doc__, **files, **outputs)
    runs = []
    for paths in (args.real, args.full, args.scaled):
        for path in paths:
            one = shards.read(path, "predictions")
            multiple = one.attributes.get("options", {}).get("multiple", args.variants)
            runs.append({**one.arrays, **one.attributes, "multiple": multiple})
    multiples = sorted({run["multiple"] for run in runs if run["training_set"] != "real"})
    observed = analysis.accuracies(runs, multiples)
    correct, margin, chance = analysis.hits(runs), args.margin / 100, tables.guessing(runs[0]["labels"])
    table, gained = analysis.table(correct, margin, chance), analysis.gains(correct, margin, chance)
    for path, frame in ((args.table, table), (args.gains, gained), (args.accuracies, observed)):
        tables.save(path, frame)
    style.save(drawing.accuracy(table), *args.figure)
    sections.save(args.section, analysis.section(table, gained, margin))


if __name__ == "__main__":
    steps.run(main)
