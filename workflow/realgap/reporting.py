"""The report's words and page. Every sentence follows from the numbers; none is fixed beforehand."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from realgap.figures import name
from realgap.sections import Section


def render(
    template: str | Path,
    *,
    table: pd.DataFrame,
    accuracies: pd.DataFrame,
    figures: dict[str, str],
    analyses: Sequence[Section],
    folder: Path,
    config: dict[str, Any],
    versions: dict[str, str],
) -> str:
    """The page as HTML with everything inside it; `figures` are paths of SVG files by name, `folder` the study's."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters.update(percent=percent, points=points, readable=name, cell=_cell)
    return environment.from_string(Path(template).read_text(encoding="utf-8")).render(
        study=config["study"],
        sentences=sentences(table),
        rows=table.to_dict("records"),
        n_test=int(accuracies.n_test.iloc[0]),
        seeds=sorted(accuracies.seed.unique().tolist()),
        figures={key: _data_uri(path) for key, path in figures.items()},
        analyses=[_shown(section, folder) for section in analyses],
        config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        versions=versions,
    )


def sentences(table: pd.DataFrame) -> list[str]:
    """What the table says of each generated training set against `real`, one sentence a row that is there."""
    rows = {row["training_set"]: row for row in table.to_dict("records")}
    real = rows["real"]
    said = [
        f"Trained on {real['n_real']:,} real images the classifier reaches {percent(real['accuracy_mean'])} "
        f"{_interval(real, 'accuracy', percent)}."
    ]
    for training_set, row in rows.items():
        if training_set != "real":
            said.append(f"{name(training_set)[0].upper() + name(training_set)[1:]}: {_verdict(row)}.")
    return said


def percent(value: float) -> str:
    """A fraction as percent, e.g. 93.5 %."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of fractions in percentage points with its sign, e.g. +2.3."""
    return f"{100 * value:+z.1f}".replace("-", "\N{MINUS SIGN}")


def _verdict(row: dict[str, Any]) -> str:
    difference = f"{points(row['difference_to_real'])} points against real {_interval(row, 'difference', points)}"
    if pd.isna(row["difference_low"]):
        return f"{difference}; one seed says nothing of the noise"
    if row["difference_low"] > 0:
        return f"better than real, {difference}"
    if row["difference_high"] < 0:
        return f"worse than real, {difference}"
    return f"not told apart from real, {difference}"


def _interval(row: dict[str, Any], what: str, shown: Any) -> str:
    if pd.isna(row[f"{what}_low"]):
        return "(one seed, no interval)"
    low, high = shown(row[f"{what}_low"]), shown(row[f"{what}_high"])
    return f"(95 % interval {low} to {high}, {row['n_seeds']} seeds)"


def _shown(section: Section, folder: Path) -> dict[str, Any]:
    """A section with the content of its tables and figures."""
    return {
        **vars(section),
        "tables": [
            {**vars(table), "rows": pd.read_csv(folder / table.path)[list(table.columns)].to_dict("records")}
            for table in section.tables
        ],
        "figures": [{**vars(figure), "uri": _data_uri(folder / figure.path)} for figure in section.figures],
    }


def _cell(value: Any) -> str:
    """A number of a table to four digits; nothing where there is none."""
    if pd.isna(value):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _data_uri(path: str | Path) -> str:
    kind = {".svg": "svg+xml", ".png": "png"}[Path(path).suffix]
    return f"data:image/{kind};base64," + base64.b64encode(Path(path).read_bytes()).decode()
