"""The five accuracies that were reported for this study, and ours beside them, as ratios to what real images reach."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.analyses.reported import TITLE
from realgap.report import between, tables, text_tables
from realgap.report.sections import Section, Table
from realgap.report.style import name
from realgap.report.wording import UNTOLD, bare, interval, percent, points, within
from realgap.statistics.verdicts import Verdict

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


def beside(
    reported: pd.DataFrame, studies: Mapping[str, pd.DataFrame], margin: float, judged: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """A row per study and training set: accuracy, its ratio to real and its difference to real, with 95 % intervals.

    reported: training_set, accuracy. studies: name -> tables.accuracies. judged: name -> tables.verdicts of those that
    have them; the others are judged by statistics.rows without their test images, of which nothing is known. Only rows
    that were reported; the ratio is the mean over seeds of each seed's own, by Student's t; what has no seeds has no
    interval.
    """
    rows = [_published(reported, training_set) for training_set in reported.training_set]
    for study, accuracies in studies.items():
        found = judged[study] if study in judged else tables.verdicts_of(accuracies, margin)
        for row in found[found.training_set.isin(reported.training_set)].to_dict("records"):
            rows.append({"study": study, **_measured(row, accuracies)})
    order = {training_set: place for place, training_set in enumerate(reported.training_set)}
    frame = pd.DataFrame(rows)
    places = {study: place for place, study in enumerate([REPORTED, *studies])}
    by = [frame.study.map(places), frame.training_set.map(order)]
    return frame.iloc[np.lexsort(by[::-1])].reset_index(drop=True)


def setup(folder: Path) -> dict[str, Any]:
    """The settings of SETUP of a finished study. ValueError where its folder does not hold them."""
    config = between.config_of(folder)
    if config is None:
        raise ValueError(f"{folder}: must hold {between.CONFIG}, the settings of the study, got none")
    return {key: config[section][name] for key in SETUP for section, _, name in [key.partition(".")]}


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
                "with 95 % intervals; fractions. Intervals of accuracies and differences are those of the first table; "
                "of studies whose predictions are not at hand, and of ratios, over seeds alone. The reported study "
                "states no seeds and no intervals.",
                {
                    "study": "study",
                    "training_set": "training set",
                    "n_real": "real images",
                    "n_seeds": "seeds",
                    "accuracy": "accuracy",
                    "ratio": "ratio to real",
                    "difference": "difference to real",
                    "verdict": "verdict",
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


def _measured(row: Mapping[str, Any], accuracies: pd.DataFrame) -> dict[str, Any]:
    by_seed = accuracies.pivot(index="seed", columns="training_set", values="accuracy")
    ratio = statistics.mean_interval(by_seed[row["training_set"]] / by_seed["real"])
    is_real = row["training_set"] == "real"
    return {
        **{key: row[key] for key in ("training_set", "n_real", "n_generated", "n_test")},
        "n_seeds": row["n_units"],
        **dict(
            zip(("accuracy", *ACCURACY), (row[f"accuracy_{what}"] for what in ("mean", "low", "high")), strict=True)
        ),
        **dict(zip(("ratio", "ratio_low", "ratio_high"), ratio, strict=True)),
        "difference": 0.0 if is_real else row["difference_to_real"],
        **{bound: 0.0 if is_real else row[bound] for bound in ("difference_low", "difference_high")},
        "verdict": None if is_real else row["verdict"],
        "margin": row["margin"],
    }


ACCURACY = ("accuracy_low", "accuracy_high")


def _claims(joined: pd.DataFrame) -> list[tuple[str, bool]]:
    """Each reported training set but real, and whether it was reported above real."""
    reported = joined[(joined.study == REPORTED) & (joined.training_set != "real")]
    return [(row.training_set, row.difference > 0) for row in reported.itertuples()]


def _claim(own: pd.DataFrame, training_set: str, above: bool) -> str:
    where = "above" if above else "below"
    if training_set not in own.index:
        return f"{name(training_set)} was reported {where} real and is not part of this study"
    row = own.loc[training_set]
    bounds = f", {interval(row.difference_low, row.difference_high, points)}"
    found = f"{points(row.difference)} points to real{bounds}"
    if row.verdict == Verdict.TOO_FEW:
        seen = f"{Verdict.TOO_FEW} here"
    elif row.verdict == Verdict.EQUIVALENT:
        seen = f"equivalent to real within {within(row.margin)} here"
    elif row.verdict == Verdict.UNDECIDED:
        seen = f"{UNTOLD} real here"
    else:
        seen = f"so it is here, {where} real" if (row.difference > 0) == above else "the other way round here"
    return f"{name(training_set)} was reported {where} real; {seen} ({found})"


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
