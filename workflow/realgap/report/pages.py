"""A study's page: everything in one file, and nothing that its inputs do not say."""

import base64
import dataclasses
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup
from PIL import Image

from realgap.report import advice, cost_and_run, sections, summary, wording
from realgap.report import metrics as metrics_of_rows
from realgap.report.style import name
from realgap.selection import controls
from realgap.statistics.verdicts import FEWEST_UNITS
from realgap.study import recipes, sources

# a picture whose lossless form is larger than this is embedded with a loss that no eye sees
LOSSLESS_BYTES = 150_000


def render(
    template: str | Path,
    *,
    verdicts: pd.DataFrame,
    pairs: pd.DataFrame,
    metrics: pd.DataFrame,
    seeds: Sequence[int],
    figures: Mapping[str, str | Path],
    gallery: Mapping[str, str | Path],
    analyses: Sequence[sections.Section],
    folder: Path,
    config: Mapping[str, Any],
    n_classes: int,
) -> str:
    """The page as HTML with everything inside it.

    verdicts, pairs: of realgap.report.tables. metrics: of realgap.report.metrics. seeds: of the classifiers. figures:
    name -> SVG, those that the template asks for. gallery: class -> PNG of its images. analyses: in the order of the
    page, their paths relative to `folder`.
    """
    own = verdicts[[recipes.real_of(config, key) == recipes.REAL for key in verdicts.training_set]]
    curves = [sentence for section in analyses if section.name == "learning_curves" for sentence in section.sentences]
    choice = curves[1] if curves and controls.picked(config, config["training_sets"]) else None
    priced = any(section.name == "cost" for section in analyses)
    costs = pd.read_csv(folder / cost_and_run.POINTS.path) if priced else None
    led = bool(curves) and int(own.n_units.min()) < FEWEST_UNITS
    ends = [("limits", "What the numbers are not"), ("config", "All settings")]
    used = dict.fromkeys(part for training_set in verdicts.training_set for part in sources.parts_of(training_set))
    return page(
        template,
        study=config["study"],
        sentences=summary.by_curves(own, curves[0], choice)
        if led
        else summary.answer(own, pairs, metrics_of_rows.guessing(metrics)),
        led_by_curves=led,
        rows=verdicts.to_dict("records"),
        tables=of_classifiers(verdicts, config),
        n_test=int(verdicts.n_test.iloc[0]),
        n_classes=n_classes,
        seeds=sorted(seeds),
        sources=list(used),
        descriptions=sources.descriptions(config, used),
        figures={key: data_uri(path) for key, path in figures.items()},
        gallery={key: data_uri(path) for key, path in gallery.items()},
        analyses=[shown(section, folder) for section in analyses],
        links=[("images", "The images"), *((section.name, section.title) for section in analyses), *ends],
        budget=summary.budget(config, int(verdicts[verdicts.training_set == "real"].n_real.iloc[0]), n_classes),
        steps=advice.next_steps(own, pairs, metrics, costs, told_elsewhere=led),
        limits=summary.limits(own, config),
        settings=config,
        config=yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True),
    )


def of_classifiers(verdicts: pd.DataFrame, config: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a table's caption says of its classifier, and its rows: "" and all of them where there is one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in verdicts.to_dict("records"):
        found.setdefault(recipes.real_of(config, row["training_set"]), []).append(row)
    if len(found) == 1:
        return {"": next(iter(found.values()))}
    return {f" of {_classifier(config, real)}": rows for real, rows in found.items()}


def _classifier(config: Mapping[str, Any], real: str) -> str:
    """ "resnet18", "vit (vit_b_16, weights DEFAULT)"."""
    own, called = recipes.classifier(config, real), recipes.recipe(real).replace("_", " ")
    said = own["architecture"] + (f", weights {own['weights']}" if own["weights"] else "")
    return f"{called} ({said})" if called else said


def page(template: str | Path, **values: Any) -> str:
    """A template beside page.css and page.js, filled: everything it shows is escaped, nothing it needs is elsewhere."""
    template = Path(template)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["untold"] = wording.UNTOLD
    environment.filters.update(
        percent=wording.percent,
        points=wording.points,
        bare=wording.bare,
        needed=wording.needed,
        mark=lambda row: wording.mark(row["verdict"], row["margin"], row["within_margin"]),
        readable=name,
        cell=cell,
    )
    parts = {kind: _inlined(template.with_name(f"page.{kind}")) for kind in ("css", "js")}
    return environment.get_template(template.name).render(**values, parts=parts)


def shown(section: sections.Section, folder: Path) -> dict[str, Any]:
    """A section with the content of its tables and figures."""
    return {
        **vars(section),
        "tables": [{**vars(table), "rows": rows(table, folder)} for table in map(folded, section.tables)],
        "figures": [{**vars(figure), "uri": data_uri(folder / figure.path)} for figure in section.figures],
    }


def folded(table: sections.Table) -> sections.Table:
    """The table with bounds that it shows as columns of their own put behind their value: gap, gap_low, gap_high."""
    intervals = dict(table.intervals)
    for column in table.columns:
        for bounds in ((f"{column}_low", f"{column}_high"), *([("low", "high")] if column == "value" else [])):
            if set(bounds) <= set(table.columns):
                intervals[column] = bounds
    bounds = {bound for pair in intervals.values() for bound in pair}
    shown = {column: heading for column, heading in table.columns.items() if column not in bounds}
    return dataclasses.replace(table, columns=shown, intervals=intervals)


def rows(table: sections.Table, folder: Path) -> list[dict[str, Any]]:
    """The rows of a section's table. Raises ValueError naming the file when a column it promises is not there."""
    frame = pd.read_csv(folder / table.path)
    promised = [*table.columns, *(bound for bounds in table.intervals.values() for bound in bounds)]
    if missing := [column for column in promised if column not in frame]:
        raise ValueError(f"{folder / table.path}: must have the column {missing[0]!r}, got {', '.join(frame)}")
    return frame.to_dict("records")


def cell(row: Mapping[str, Any], column: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """What a table shows at a row and column: its text, its interval ("" where there is none), what it sorts by."""
    factor = 100 if column in table["percent"] else 1
    low, high = (row[bound] for bound in table["intervals"].get(column, (column, column)))
    known = column in table["intervals"] and pd.notna(row[column]) and pd.notna(low) and pd.notna(high)
    text = _text(row[column], factor) + (" %" if factor == 100 and pd.notna(row[column]) else "")
    if column in ("training_set", "source") and isinstance(row[column], str):
        text = name(row[column])
    return {
        "text": text,
        "interval": f"{_text(low, factor)} to {_text(high, factor)}" if known else "",
        "sort": "" if pd.isna(row[column]) else row[column],
        "number": not isinstance(row[column], str),
    }


def data_uri(path: str | Path) -> str:
    """A figure as a data URI; pictures as WebP, which takes a fraction of a PNG's bytes."""
    path = Path(path)
    if path.suffix == ".svg":
        return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
    with Image.open(path) as picture:
        smaller = _webp(picture, lossless=True)
        if len(smaller) > LOSSLESS_BYTES:
            smaller = min(smaller, _webp(picture, quality=88), key=len)
    return "data:image/webp;base64," + base64.b64encode(smaller).decode()


def _webp(picture: Image.Image, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, "WEBP", method=4, **options)
    return written.getvalue()


def _inlined(path: Path) -> dict[str, str]:
    """A style sheet or script, and the hash by which the page's security policy knows it."""
    text = path.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": f"sha256-{digest}"}


def _text(value: Any, factor: float) -> str:
    """Whole numbers with thousands apart, others to four digits, a dash where there is none."""
    if pd.isna(value):
        return "–"
    if isinstance(value, str | bool):
        return str(value)
    value = factor * value
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "\N{MINUS SIGN}")
