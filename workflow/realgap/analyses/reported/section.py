"""The five accuracies that were reported for this study, and ours beside them, as ratios to what real images reach."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.analyses.reported import TITLE
from realgap.report import text_tables
from realgap.report.figures import name
from realgap.report.sections import Section, Table
from realgap.report.summary import bare, interval, percent, points

REPORTED = "reported"
SETUP = {
    "dataset.name": "data set",
    "dataset.images_per_class": "real images a class",
    "dataset.image_size": "side, px",
    "base_model.path": "base model",
    "base_model.resolution": "it works at, px",
    "inversion.steps_per_image": "steps an image",
    "sampling.samples_per_image": "generated per real image",
    "classifier.architecture": "classifier",
    "classifier.steps": "its optimiser steps",
}
NOT_STATED = "not stated"
# what is known of the reported study; the rest was not stated
REPORTED_SETUP = {
    "dataset.name": "cifar10",
    "dataset.image_size": 32,
    "base_model.path": "Stable Diffusion",
    "classifier.architecture": "resnet18",
}


def beside(reported: pd.DataFrame, studies: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row per study and training set: accuracy, its ratio to real and its difference to real, with 95 % intervals.

    reported: training_set, accuracy. studies: name -> tables.accuracies. Only rows that were reported; the ratio is
    the mean over seeds of each seed's own, by Student's t; what has no seeds has no interval.
    """
    rows = [_published(reported, training_set) for training_set in reported.training_set]
    for study, accuracies in studies.items():
        real = accuracies[accuracies.training_set == "real"].sort_values("seed")
        for training_set in reported.training_set:
            own = accuracies[accuracies.training_set == training_set].sort_values("seed")
            if len(own):
                rows.append({"study": study, "training_set": training_set, **_measured(own, real)})
    return pd.DataFrame(rows)


def setup(default: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings of SETUP of a finished study: those of the default config unless its run/settings.csv has others."""
    found = {}
    for key in SETUP:
        section, name_in_section = key.split(".")
        found[key] = default[section][name_in_section]
    changes = folder / "run" / "settings.csv"
    if changes.exists():
        changed = {
            row.key: json.loads(row.here) for row in pd.read_csv(changes).itertuples() if isinstance(row.here, str)
        }
        found |= {key: value for key, value in changed.items() if key in SETUP}
    return found


def verdicts(joined: pd.DataFrame) -> list[str]:
    """What the reported order says, and for each study whether its own numbers have it too, outside the noise."""
    said = []
    for study, rows in joined.groupby("study", sort=False):
        if study == REPORTED:
            continue
        own = rows.set_index("training_set")
        said += [f"{study}: {_claim(own, training_set, above)}." for training_set, above in _claims(joined)]
    return said


def section(joined: pd.DataFrame) -> Section:
    """The report's section: ratios of this study, the first in `joined`, of other ones and of the reported one.

    Its sentences are of this study alone: of the others the table says enough.
    """
    own = next(study for study in joined.study if study != REPORTED)
    return Section(
        name="reported",
        title=TITLE,
        sentences=verdicts(joined[joined.study.isin((REPORTED, own))]),
        tables=[
            Table(
                "reported/table.csv",
                "Accuracy, and its ratio and difference to that of real images (mean over seeds of each seed's own), "
                "with 95 % intervals over seeds; fractions. The reported study states no seeds and no intervals.",
                {
                    "study": "study",
                    "training_set": "training set",
                    "n_real": "real images",
                    "n_seeds": "seeds",
                    "accuracy": "accuracy",
                    "ratio": "ratio to real",
                    "difference": "difference to real",
                },
                {
                    "accuracy": ("accuracy_low", "accuracy_high"),
                    "ratio": ("ratio_low", "ratio_high"),
                    "difference": ("difference_low", "difference_high"),
                },
            )
        ],
        notes=[
            "Another base model, another resolution and another subset: orders and ratios compare, accuracies do not."
        ],
    )


def page(joined: pd.DataFrame, setups: Mapping[str, Mapping[str, Any]]) -> str:
    """The same as Markdown, with what differs between the studies; setups: study -> its configuration, keys dotted."""
    studies = list(dict.fromkeys(joined.study))
    setups = {REPORTED: REPORTED_SETUP, **setups}
    lines = [["training set", *(study for study in studies)]]
    for training_set in dict.fromkeys(joined.training_set):
        rows = joined[joined.training_set == training_set].set_index("study")
        lines.append(
            [name(training_set), *(_cell(rows.loc[study]) if study in rows.index else "" for study in studies)]
        )
    facts = [["", *studies]] + [
        [label, *(str(setups[study].get(key, NOT_STATED)) for study in studies)] for key, label in SETUP.items()
    ]
    counts = joined[joined.training_set == "real"].set_index("study")
    for column, label in (("n_real", "real images"), ("n_test", "test images"), ("n_seeds", "seeds")):
        facts.append([label, *(_count(counts.loc[study, column]) for study in studies)])
    claims = "\n".join(f"- {sentence}" for sentence in verdicts(joined))
    numbers, differences = (text_tables.markdown(header, rows) for header, *rows in (lines, facts))
    return f"{numbers}\n\n{claims}\n\n{differences}\n"


def _published(reported: pd.DataFrame, training_set: str) -> dict[str, Any]:
    accuracy = reported.set_index("training_set").accuracy
    own, real = float(accuracy[training_set]), float(accuracy["real"])
    return {"study": REPORTED, "training_set": training_set, "n_real": np.nan, "n_generated": np.nan} | {
        **{"n_test": np.nan, "n_seeds": np.nan, "accuracy": own, "accuracy_low": np.nan, "accuracy_high": np.nan},
        **{"ratio": own / real, "ratio_low": np.nan, "ratio_high": np.nan},
        **{"difference": own - real, "difference_low": np.nan, "difference_high": np.nan},
    }


def _measured(own: pd.DataFrame, real: pd.DataFrame) -> dict[str, Any]:
    if own.seed.tolist() != real.seed.tolist():
        raise ValueError(f"seeds: must be those of real, {real.seed.tolist()}, got {own.seed.tolist()}")
    row = {column: int(own[column].iloc[0]) for column in ("n_real", "n_generated", "n_test")}
    row["n_seeds"] = len(own)
    accuracy, theirs = own.accuracy.to_numpy(), real.accuracy.to_numpy()
    for what, values in {
        "accuracy": statistics.mean_interval(accuracy),
        "ratio": statistics.mean_interval(accuracy / theirs),
        "difference": statistics.paired_difference(accuracy, theirs),
    }.items():
        row |= dict(zip((what, f"{what}_low", f"{what}_high"), values, strict=True))
    return row


def _claims(joined: pd.DataFrame) -> list[tuple[str, bool]]:
    """Each reported training set but real, and whether it was reported above real."""
    reported = joined[(joined.study == REPORTED) & (joined.training_set != "real")]
    return [(row.training_set, row.difference > 0) for row in reported.itertuples()]


def _claim(own: pd.DataFrame, training_set: str, above: bool) -> str:
    where = "above" if above else "below"
    if training_set not in own.index:
        return f"{name(training_set)} was reported {where} real and is not part of this study"
    row = own.loc[training_set]
    found = (
        f"{points(row.difference)} points to real"
        f"{_bounds(points(row.difference_low), points(row.difference_high), row.difference_low)}"
    )
    if np.isnan(row.difference_low):
        seen = "one seed cannot tell"
    elif row.difference_low <= 0 <= row.difference_high:
        seen = "not told apart here"
    else:
        seen = f"so it is here, {where} real" if (row.difference > 0) == above else "the other way round here"
    return f"{name(training_set)} was reported {where} real; {seen} ({found})"


def _bounds(low: str, high: str, value: float) -> str:
    return "" if np.isnan(value) else f", {low} to {high}"


def _cell(row: pd.Series) -> str:
    accuracy = percent(row.accuracy)
    if not np.isnan(row.accuracy_low):
        accuracy += f" ({interval(row.accuracy_low, row.accuracy_high, bare)})"
    if row.training_set == "real":
        return accuracy
    of_ratio = "" if np.isnan(row.ratio_low) else f" ({row.ratio_low:.3f} to {row.ratio_high:.3f})"
    return f"{accuracy}; ratio {row.ratio:.3f}{of_ratio}"


def _count(value: float) -> str:
    return NOT_STATED if np.isnan(value) else f"{int(value):,}"
