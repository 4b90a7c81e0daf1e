"""Compare tuned classifiers with training from scratch: table, heat maps, section."""

import pandas as pd

from realgap.analyses.transfer import figures as drawing
from realgap.analyses.transfer import section as analysis
from realgap.report import figures, sections, tables
from realgap.run import steps


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, _ = steps.parse(__doc__, tuned={"nargs": "+"}, table={}, accuracies={}, figure=pair, section={})
    observed = pd.concat([pd.read_csv(path, dtype={"hits": str}) for path in args.tuned], ignore_index=True)
    table = analysis.compare(observed)
    tables.save(args.table, table)
    tables.save(args.accuracies, observed.drop(columns="hits"))
    figures.save(drawing.accuracy(table), *args.figure)
    sections.save(args.section, analysis.section(table))


if __name__ == "__main__":
    steps.run(main)
