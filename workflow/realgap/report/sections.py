"""A section of the report, as the step that has the numbers hands it over: sentences, tables and figures.

An analysis ends in one rule that writes its tidy tables, its figures and results/<study>/sections/<name>.json;
the report shows whichever of these files a study has. Paths in a section are relative to the study's folder.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realgap.store.files import whole

# headings of a number's interval, and of its difference to real images with its own
COMPARED_WITH_REAL = {
    "low": "95 % interval from",
    "high": "to",
    "difference": "difference to real",
    "difference_low": "from",
    "difference_high": "to",
    "verdict": "verdict",
}


@dataclass(frozen=True)
class Table:
    """A CSV file; `columns` are those the page shows, with their headings: {"ece": "calibration error"}.

    intervals: for a shown column, those of its bounds, which stand behind its value: {"ece": ("ece_low", "ece_high")};
    shown columns called so (and low, high beside value) are taken for bounds without being named here.
    percent: shown columns whose fractions read better as percent. Names of sources and training sets in columns
    called so are written out by the page.
    """

    path: str
    caption: str
    columns: dict[str, str]
    intervals: dict[str, tuple[str, str]] = field(default_factory=dict)
    percent: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """A picture (SVG, or PNG where it shows images), with a text that says what is seen for who cannot see it."""

    path: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Section:
    """name: [a-z_]+, the section's deep link; sentences: the answer, made from the numbers; notes: its limits."""

    name: str
    title: str
    sentences: Sequence[str]
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()


def save(path: str | Path, section: Section) -> None:
    """Write a section as JSON, whole or not at all."""
    with whole(path) as beside:
        beside.write_text(json.dumps(dataclasses.asdict(section), indent=1, ensure_ascii=False), encoding="utf-8")


def load(path: str | Path) -> Section:
    """Read a section. Raises ValueError naming the file when it is not one."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        tables = [_table(**table) for table in content.pop("tables")]
        figures = [Figure(**figure) for figure in content.pop("figures")]
        return Section(**content, tables=tables, figures=figures)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: not a section of the report ({error}); delete it and run snakemake again") from error


def _table(intervals: dict[str, Sequence[str]] | None = None, percent: Sequence[str] = (), **known: Any) -> Table:
    """JSON has lists where a table has tuples."""
    bounds = {column: (low, high) for column, (low, high) in (intervals or {}).items()}
    return Table(**known, intervals=bounds, percent=tuple(percent))
