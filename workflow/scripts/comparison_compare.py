"""Compare finished studies: their tables on one page, and as one CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from realgap.report import between, comparison, figures, style, tables
from realgap.run import steps
from realgap.store import shards
from realgap.store.files import whole
from realgap.study import paths


@dataclass(frozen=True)
class Options:
    studies: list[str]
    digests: list[str]  # of what is compared; it is no input, so that comparing runs no study again


def main() -> None:
    outputs = {"table": {}, "settings": {}, "contrasts": {}, "figure": {"nargs": 2}, "page": {}}
    args, options = steps.parse(__doc__, Options, template={}, **outputs)
    if len(options.studies) < 2:
        raise ValueError(
            "config: studies: must name two finished studies or more (snakemake compare --config studies='[a,b]'), "
            f"got {options.studies}"
        )
    results = Path(args.page).parents[2]  # results/comparisons/<studies>/report.html
    folders = {study: paths.of_study(study, results) for study in options.studies}
    joined = comparison.join(folders)
    found = {study: _hits(folder, rows) for study, folder in folders.items() if (rows := _rows(joined, study, folder))}
    settings = between.settings(folders)
    contrasts = between.contrasts(found, float(joined.margin.iloc[0]))
    with whole(args.table) as beside:
        joined.to_csv(beside, index=False, float_format="%.6f")
    style.save(figures.comparison(joined), *args.figure)
    for path, frame in ((args.settings, settings), (args.contrasts, contrasts)):
        tables.save(path, frame)
    page = comparison.render(args.template, joined, args.figure[1], folders, settings, contrasts)
    with whole(args.page) as beside:
        beside.write_text(page, encoding="utf-8")


def _predictions(folder: Path, row: str) -> list[Path]:
    return sorted((folder / "predictions" / row).glob("seed-*.h5"))


def _rows(joined: pd.DataFrame, study: str, folder: Path) -> list[str]:
    """The study's rows, if their predictions are there."""
    rows = joined[joined.study == study].training_set.tolist()
    return rows if all(_predictions(folder, row) for row in rows) else []


def _hits(folder: Path, rows: Sequence[str]) -> between.Hits:
    read = [shards.read(path, "predictions") for row in rows for path in _predictions(folder, row)]
    right = tables.hits([{**one.arrays, **one.attributes} for one in read])
    return between.Hits(right, tuple(read[0]["image_ids"].tolist()), tables.guessing(read[0]["labels"]))


if __name__ == "__main__":
    steps.run(main)
