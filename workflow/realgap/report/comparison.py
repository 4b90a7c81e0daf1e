"""Several finished studies on one page: their tables joined, each row with the study it belongs to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from realgap import analyses
from realgap.report import between, pages, sections, summary, tables
from realgap.report.wording import UNTOLD, mark
from realgap.statistics.verdicts import MARGIN
from realgap.study import paths

LAST = ("cost", "run")  # the sections that every page ends with


NEEDED = ("verdicts.csv", "pairs.csv")


def join(folders: Mapping[str, Path]) -> pd.DataFrame:
    """The studies' verdicts one below the other, with the column study in front; study -> its folder.

    A study that was published without them is judged by its accuracies and the default margin. Raises
    ValueError naming a study that has not been run to its report.
    """
    frames = []
    for study, folder in folders.items():
        needed = ("accuracies.csv",) if folder.parent.name == paths.PUBLISHED else NEEDED
        for file in (*needed, "report.html"):
            if not (folder / file).is_file():
                raise ValueError(f"config: studies: must be finished studies; {study!r} has no {folder / file}")
        frames.append(_verdicts(folder).assign(study=study))
    joined = pd.concat(frames, ignore_index=True)
    return joined[["study", *joined.columns.drop("study")]]


def render(
    template: str | Path,
    joined: pd.DataFrame,
    figure: str | Path,
    folders: Mapping[str, Path],
    settings: pd.DataFrame,
    contrasts: pd.DataFrame,
) -> str:
    """The page of several studies, as HTML with everything inside it.

    figure: an SVG of `joined`; settings, contrasts: as realgap.report.between has them.
    """
    shown = merged({study: _sections(folder) for study, folder in folders.items()}, folders)
    return pages.page(
        template,
        studies={study: _answer(joined, study, folder) for study, folder in folders.items()},
        table={**vars(TABLE), "rows": _in_percent(joined).to_dict("records")},
        figure=pages.data_uri(figure),
        settings=_settings(settings, list(folders)),
        contrasts=_contrasts(contrasts, joined),
        analyses=shown,
        links=[
            *(("table", "The tables"), ("between", "What differs between them")),
            *((one["name"], one["title"]) for one in shown),
        ],
    )


TABLE = sections.Table(
    path="table.csv",
    caption="Accuracy on real test images, mean over classifier seeds; differences within a seed. In brackets: 95 % "
    "intervals over seeds and test images. Detectable: a difference that a study would tell from zero four times in "
    f"five; then the seeds that an interval of ±1 point takes. Undecided: {UNTOLD} real.",
    columns={
        "study": "Study",
        "training_set": "Training set",
        "n_real": "Real images",
        "n_generated": "Generated images",
        "n_test": "Test images",
        "n_units": "Seeds",
        "accuracy_mean": "Accuracy, %",
        "difference_to_real": "Difference to real, points",
        "judged": "Verdict",
        "detectable": "Detectable, points",
        "units_needed": "Seeds for ±1 point",
    },
    intervals={
        "accuracy_mean": ("accuracy_low", "accuracy_high"),
        "difference_to_real": ("difference_low", "difference_high"),
    },
)


def merged(by_study: Mapping[str, Sequence[sections.Section]], folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Sections of the same name as one: sentences with their study, tables of the same file joined.

    Sections come in the order of realgap.analyses, cost and run at the end; what only some studies have is there for
    those.
    """
    names = sorted({section.name for its in by_study.values() for section in its}, key=_place)
    joined = []
    for section_name in names:
        of = {study: one for study, its in by_study.items() for one in its if one.name == section_name}
        paths = dict.fromkeys(table.path for section in of.values() for table in section.tables)
        joined.append(
            {
                "name": section_name,
                "title": next(iter(of.values())).title,
                "sentences": {study: section.sentences for study, section in of.items()},
                "tables": [_joined_table(path, of, folders) for path in paths],
            }
        )
    return joined


def _verdicts(folder: Path) -> pd.DataFrame:
    path = folder / "verdicts.csv"
    return pd.read_csv(path) if path.is_file() else tables.verdicts_of(pd.read_csv(folder / "accuracies.csv"), MARGIN)


def _pairs(folder: Path) -> pd.DataFrame:
    path = folder / "pairs.csv"
    return pd.read_csv(path) if path.is_file() else tables.pairs_of(pd.read_csv(folder / "accuracies.csv"), MARGIN)


def _in_percent(joined: pd.DataFrame) -> pd.DataFrame:
    """Fractions as the page's table shows them, and the verdict with its margin; `real` is not compared to itself."""
    fractions = [c for c in joined if c.startswith(("accuracy_", "difference_")) or c == "detectable"]
    shown = joined.assign(**{column: (100 * joined[column]).round(1) for column in fractions})
    shown["units_needed"] = joined.units_needed.map(lambda n: "more test images" if n == float("inf") else n)
    shown["judged"] = [
        "–" if pd.isna(row.verdict) else mark(row.verdict, row.margin, row.within_margin) for row in joined.itertuples()
    ]
    return shown


def _settings(found: pd.DataFrame, studies: Sequence[str]) -> dict[str, Any] | None:
    columns = {**between.SETTINGS.columns, **{study: study for study in studies}}
    return {**vars(between.SETTINGS), "columns": columns, "rows": found.to_dict("records")} if len(found) else None


def _contrasts(found: pd.DataFrame, joined: pd.DataFrame) -> dict[str, Any] | None:
    shown = found.assign(**{column: (100 * found[column]).round(1) for column in ("difference", "low", "high")})
    margin = float(joined.margin.iloc[0])
    shown["judged"] = [mark(row.verdict, margin, row.within_margin) for row in found.itertuples()]
    shown["same_images"] = found.same_images.map({True: "yes", False: "no"})
    return {**vars(between.CONTRASTS), "rows": shown.to_dict("records")} if len(found) else None


def _joined_table(path: str, of: Mapping[str, sections.Section], folders: Mapping[str, Path]) -> dict[str, Any]:
    tables = {study: table for study, section in of.items() for table in section.tables if table.path == path}
    tables = {study: pages.folded(table) for study, table in tables.items()}
    rows = [{"study": study, **row} for study, table in tables.items() for row in pages.rows(table, folders[study])]
    columns = {column: heading for table in tables.values() for column, heading in table.columns.items()}
    intervals = {column: bounds for table in tables.values() for column, bounds in table.intervals.items()}
    needed = [*columns, *(bound for bounds in intervals.values() for bound in bounds)]
    first = next(iter(tables.values()))
    return {
        **vars(first),
        "columns": {"study": "Study", **columns},
        "intervals": intervals,
        "rows": [{**dict.fromkeys(needed, float("nan")), **row} for row in rows],
    }


def _sections(folder: Path) -> list[sections.Section]:
    """What the study's own report shows, by the files that are there."""
    return [sections.load(path) for path in sorted((folder / "sections").glob("*.json"))]


def _place(section: str) -> tuple[int, str]:
    """Where a section stands on a page; one of an analysis that is no longer known comes after the others."""
    order = [*analyses.ORDER, "", *LAST]
    return order.index(section if section in order else ""), section


def _answer(joined: pd.DataFrame, study: str, folder: Path) -> list[summary.Sentence]:
    return summary.answer(joined[joined.study == study], _pairs(folder))
