"""Set studies beside the accuracies that were reported: a table, and a section of the report or a page of the docs."""

from pathlib import Path

import pandas as pd

from realgap.analyses.reported import section as analysis
from realgap.report import sections, tables
from realgap.run import steps
from realgap.store import files


def main() -> None:
    optional = {"required": False}
    args, _ = steps.parse(
        __doc__,
        **{"reported": {}, "studies": {"nargs": "+", "type": Path, "metavar": "FOLDER"}, "table": optional},
        **{"margin": {"type": float}, "section": optional, "page": optional, "template": optional},
    )
    studies = {folder.name: pd.read_csv(folder / "accuracies.csv") for folder in args.studies}
    judged = {folder.name: folder / "verdicts.csv" for folder in args.studies}
    judged = {study: pd.read_csv(path) for study, path in judged.items() if path.exists()}
    joined = analysis.beside(pd.read_csv(args.reported), studies, args.margin / 100, judged)
    if args.table:
        tables.save(args.table, joined)
    if args.section:
        sections.save(args.section, analysis.section(joined))
    if args.page:
        setups = {folder.name: analysis.setup(folder) for folder in args.studies}
        text = Path(args.template).read_text(encoding="utf-8").replace("$tables", analysis.page(joined, setups))
        files.write(args.page, text.encode())


if __name__ == "__main__":
    steps.run(main)
