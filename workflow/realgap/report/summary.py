"""The answer that a report begins with, and its limits. Every sentence follows from the numbers.

A verdict needs an interval that excludes zero. Any other difference is "not told apart", in these words alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from realgap import statistics


@dataclass(frozen=True)
class Sentence:
    """lead: what was found, in plain words; rest: the numbers behind it."""

    lead: str
    rest: str


def answer(table: pd.DataFrame, accuracies: pd.DataFrame) -> list[Sentence]:
    """At most three sentences from tables.table and .accuracies: prompts, inversion, and both added to real.

    A sentence whose training set is not there gives its place to the control, and to what real images reach.
    """
    rows = {row["training_set"]: row for row in table.to_dict("records")}
    said = [
        *([_alone(rows["stable_diffusion"], rows["real"], accuracies)] if "stable_diffusion" in rows else []),
        *([_inverted(rows, accuracies)] if "diffusion_inversion" in rows else []),
        *_added(rows),
    ]
    if len(said) < 3 and "vae_only" in rows:
        said.insert(0, _control(rows["vae_only"]))
    if len(said) < 3 and "stable_diffusion" not in rows:
        said.insert(0, Sentence("Real images set the mark:", f"{_trained(rows['real'], accuracies, 'real images')}."))
    return said[:3]


def verdict(row: Mapping[str, Any]) -> str:
    """A row of the table against real: "better", "worse", "not told apart", or "one seed" that cannot tell."""
    return _judged(row["difference_low"], row["difference_high"])


def limits(table: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """What the numbers of this study cannot say, in plain words."""
    rows = {row["training_set"]: row for row in table.to_dict("records")}
    real, n_seeds = rows["real"], int(table.n_seeds.min())
    most = int((table.n_generated / real["n_real"]).max())
    said = [
        f"Intervals cover the classifier's seed only ({_seeds(n_seeds)}). Another choice of the {real['n_real']:,} "
        "real images is not in them, nor is another base model.",
        "Not told apart does not mean equal. A difference smaller than the interval stays hidden.",
        "This run chose no setting by looking at test images. The project's defaults were chosen on earlier studies of "
        "this kind, so small differences between rows deserve a study of their own.",
        f"Classifiers see images of {config['dataset']['image_size']} px. Larger images may show other differences.",
    ]
    if most > 1:
        said.append(
            f"Generated sets hold up to {most} images for each real one. Every set trains for the same number of "
            "optimiser steps."
        )
    if any(name.startswith("real+") for name in rows):
        said.append(
            f"Where generated images are added to real ones, {100 * config['classifier']['real_share']:.0f} % of each "
            "batch are real images."
        )
    seen = {"mini-sd-digits": "typeset digits", "mini-sd-natural": "photographs of 32 px"}
    if (model := Path(config["base_model"]["path"]).name) in seen:
        said.append(
            f"The base model is a miniature that has only seen {seen[model]}. The numbers say whether the gap and the "
            "remedy are there. They do not say how large both are for Stable Diffusion on photographs."
        )
    return said


def percent(value: float) -> str:
    """A fraction as percent, e.g. 93.5 %."""
    return f"{100 * value:.1f} %"


def bare(value: float) -> str:
    """A fraction in percent without the sign of it, where a heading has it."""
    return f"{100 * value:.1f}".replace("-", "\N{MINUS SIGN}")


def points(value: float) -> str:
    """A difference of fractions in percentage points with its sign, e.g. +2.3."""
    return f"{100 * value:+z.1f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, shown: Any) -> str:
    """ "91.9 to 94.3", or "one seed" where there is none."""
    return "one seed" if pd.isna(low) else f"{shown(low)} to {shown(high)}"


_AS_DATA = {
    "better": "are better training data than real ones",
    "worse": "are worse training data than real ones",
    "not told apart": "are not told apart from real ones as training data",
    "one seed": "cannot be judged by one seed",
}
_GAP = {
    "better": "more than closes the gap between prompts and real images",
    "worse": "closes part of the gap between prompts and real images",
    "not told apart": "is better training data than prompts, and not told apart from real images",
}
_ADDED = {
    "better": "help",
    "worse": "hurt",
    "not told apart": "bring a change that is not told apart from zero",
    "one seed": "cannot be judged by one seed",
}


def _alone(row: Mapping[str, Any], real: Mapping[str, Any], accuracies: pd.DataFrame) -> Sentence:
    return Sentence(
        f"Images from text prompts {_AS_DATA[verdict(row)]}:",
        f"{_trained(row, accuracies)}. Trained on {real['n_real']:,} real images it gets {_accuracy(real)}. "
        f"The difference is {_difference(row)} points.",
    )


def _inverted(rows: Mapping[str, Mapping[str, Any]], accuracies: pd.DataFrame) -> Sentence:
    row, prompts = rows["diffusion_inversion"], rows.get("stable_diffusion")
    lead = f"Images from Diffusion Inversion {_AS_DATA[verdict(row)]}:"
    rest = (
        f"a classifier trained on {row['n_generated']:,} of them gets {_accuracy(row)}. "
        f"Against real images that is {_difference(row)} points"
    )
    if prompts is None:
        return Sentence(lead, f"{rest}.")
    mine, theirs = (
        accuracies[accuracies.training_set == one].sort_values("seed").accuracy
        for one in ("diffusion_inversion", "stable_diffusion")
    )
    difference, low, high = statistics.paired_difference(mine, theirs)
    if verdict(prompts) == "worse" and _judged(low, high) == "better":
        lead = f"Diffusion Inversion {_GAP[verdict(row)]}:"
    return Sentence(lead, f"{rest}, and against prompts {points(difference)} ({interval(low, high, points)}).")


def _added(rows: Mapping[str, Mapping[str, Any]]) -> list[Sentence]:
    """What images of both generators do beside the real ones; inversion first."""
    known = {"diffusion_inversion": "images from Diffusion Inversion", "stable_diffusion": "images from text prompts"}
    mixed = [(what, rows[f"real+{source}"]) for source, what in known.items() if f"real+{source}" in rows]
    if not mixed:
        return []
    (what, row), *others = mixed
    rest = f"a classifier gets {_accuracy(row)}. Against the real images alone that is {_difference(row)} points."
    for other, its_row in others:
        rest += f" Added in the same way, {other} {_ADDED[verdict(its_row)]}: {_difference(its_row)} points."
    return [Sentence(f"Added to the real images, {what} {_ADDED[verdict(row)]}:", rest)]


def _control(row: Mapping[str, Any]) -> Sentence:
    found = {
        "better": "gains accuracy",
        "worse": "costs accuracy",
        "not told apart": "brings a change that is not told apart from zero",
        "one seed": "cannot be judged by one seed",
    }[verdict(row)]
    return Sentence(
        f"Passing the real images through the VAE alone {found}:",
        f"a classifier gets {_accuracy(row)}. Against real images that is {_difference(row)} points.",
    )


def _trained(row: Mapping[str, Any], accuracies: pd.DataFrame, what: str = "of them") -> str:
    n, n_test = row["n_real"] + row["n_generated"], int(accuracies.n_test.max())
    return f"a classifier trained on {n:,} {what} gets {_accuracy(row)} of {n_test:,} real test images right"


def _accuracy(row: Mapping[str, Any]) -> str:
    return f"{percent(row['accuracy_mean'])} ({interval(row['accuracy_low'], row['accuracy_high'], bare)})"


def _difference(row: Mapping[str, Any]) -> str:
    return f"{points(row['difference_to_real'])} ({interval(row['difference_low'], row['difference_high'], points)})"


def _judged(low: float, high: float) -> str:
    if pd.isna(low):
        return "one seed"
    return "better" if low > 0 else "worse" if high < 0 else "not told apart"


def _seeds(n: int) -> str:
    return "one seed, so there are none here" if n == 1 else f"{n} seeds"
