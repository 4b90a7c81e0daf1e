"""The answer that a report begins with, and its limits. Every sentence follows from the numbers.

A verdict is that of realgap.statistics.verdicts, on the difference that the sentence is about: no row is judged by how
it and another one stand to a third.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from realgap.base_model.known import trained_on
from realgap.report.style import name
from realgap.report.wording import UNTOLD, amount, bare, interval, percent, points, seeds, within
from realgap.statistics.verdicts import Verdict
from realgap.study import recipes

BEFORE_ALL_ELSE = "More real images, more classifier.steps or a larger dataset.image_size come before all else."


@dataclass(frozen=True)
class Sentence:
    """lead: what was found, in plain words; rest: the numbers behind it."""

    lead: str
    rest: str


def answer(verdicts: pd.DataFrame, pairs: pd.DataFrame, chance: float = 0.0) -> list[Sentence]:
    """At most three sentences from tables.verdicts and .pairs: prompts, inversion, and both added to real.

    A sentence whose training set is not there gives its place to the control, and to what real images reach. chance:
    what guessing reaches; where real images are not told apart from it, that is all that there is to say.
    """
    rows = {row["training_set"]: row for row in verdicts.to_dict("records")}
    if not rows["real"]["accuracy_low"] > chance:
        return [
            Sentence(
                "Nothing can be compared yet, as real images teach the classifier nothing that is seen:",
                f"{_trained(rows['real'], 'real images')}, and guessing {percent(chance)}. {BEFORE_ALL_ELSE}",
            )
        ]
    said = [
        *([_alone(rows["stable_diffusion"], rows["real"])] if "stable_diffusion" in rows else []),
        *([_inverted(rows, pairs)] if "diffusion_inversion" in rows else []),
        *_added(rows, pairs),
    ]
    if len(said) < 3 and "vae_only" in rows:
        said.insert(0, _control(rows["vae_only"]))
    if len(said) < 3 and "stable_diffusion" not in rows:
        said.insert(0, Sentence("Real images set the mark:", f"{_trained(rows['real'], 'real images')}."))
    return said[:3]


def by_curves(verdicts: pd.DataFrame, gains: str, choice: str | None = None) -> list[Sentence]:
    """The answer of a study whose learning curves have draws enough and whose table has too few seeds to say.

    gains: where generated images help, the first sentence of the curves. choice: whether choosing among candidates
    does, where the study asks.
    """
    n_units, n_real = int(verdicts.n_units.min()), int(verdicts.n_real.max())
    return [
        Sentence("By the number of real images:", gains),
        *([Sentence("Choosing among candidates:", choice)] if choice else []),
        Sentence(
            f"With all {n_real:,} real images no row is judged:",
            f"each is trained with {seeds(n_units)}. The table has what it reached.",
        ),
    ]


def budget(config: Mapping[str, Any], n_real: int, n_classes: int) -> list[str]:
    """How long and how the rows are trained, on how many real images: a gain is one under this budget.

    n_real: real images of the row `real`, of all classes.
    """
    usual, each = config["classifier"], f"{n_real / n_classes:.4g}"
    alike = isinstance(config["dataset"]["images_per_class"], int)
    of_class = f"{each} of each class" if alike else f"in classes of unequal size, {each} in the mean"
    said = [
        f"Every row trains the same {usual['architecture']} {_begun(usual)}{_length(usual)}, to tell {n_classes} "
        f"classes apart. {_augmented(usual)} The real images are {n_real:,}, {of_class}.",
    ]
    used = {recipe: name for name in config["training_sets"] if (recipe := recipes.recipe(name))}
    for recipe, row in used.items():
        said.append(_of_recipe(recipe, config["recipes"][recipe]))
        if recipes.real_of(config, row) != recipes.REAL:
            said[-1] += f" They are compared with real ({recipe.replace('_', ' ')})."
    return said


def _begun(settings: Mapping[str, Any]) -> str:
    return f"from the weights {settings['weights']} on " if settings["weights"] else ""


def _length(settings: Mapping[str, Any]) -> str:
    batches = f"of {settings['batch_size']} images"
    if settings["epochs"] is None:
        return f"for the same {settings['steps']:,} steps {batches}"
    return f"for {settings['epochs']:g} passes over its own images, so that a larger row takes more steps {batches}"


def _augmented(settings: Mapping[str, Any]) -> str:
    crop = settings["crop_padding"]
    changes = [
        *([f"random crops by up to {crop} px"] if crop else []),
        *(["mirroring"] if settings["horizontal_flip"] else []),
        *(name.replace("_", " ") for name in settings["augmentation"]),
    ]
    return f"Its images are augmented by {', '.join(changes)}." if changes else "No image is augmented."


def _tested(real: Mapping[str, Any]) -> str:
    """What an interval takes for samples of their own."""
    images = f"the {real['n_test']:,} test images"
    return f"the {real['n_groups']:,} groups that {images} stand in" if "n_groups" in real else images


def _of_recipe(name: str, changes: Mapping[str, Any]) -> str:
    settings = ", ".join(
        f"{key} {', '.join(value) or 'none' if isinstance(value, list) else value}" for key, value in changes.items()
    )
    return f"Rows called ({name.replace('_', ' ')}) train with {settings}."


def limits(verdicts: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """What the numbers of this study cannot say, in plain words."""
    rows = {row["training_set"]: row for row in verdicts.to_dict("records")}
    real, n_units = rows["real"], int(verdicts.n_units.min())
    most = int((verdicts.n_generated / real["n_real"]).max())
    said = [
        f"Intervals of accuracies and of their differences cover the classifier's seed ({_none_of(n_units)}) and the "
        f"choice of {_tested(real)}. Another choice of the {real['n_real']:,} real images is not in "
        "them, nor is another base model.",
        "Not told apart does not mean equal. Equivalent means that the difference is shown to be within "
        f"{within(real['margin'])} (margin in the settings; two one-sided tests at 5 %).",
        *_power(verdicts),
        "Each row has its own verdict, wrong in at most 5 % of studies. That one of several rows is wrong happens more "
        "often.",
        "This run chose no setting by looking at test images. The project's defaults were chosen on earlier studies of "
        "this kind, so small differences between rows deserve a study of their own.",
        f"Classifiers see images of {config['dataset']['image_size']} px. Larger images may show other differences.",
    ]
    if most > 1:
        steps = (
            "Every row trains for the same number of steps"
            if config["classifier"]["epochs"] is None
            else ("A larger row trains for more steps, and a gain may be that alone")
        )
        said.append(f"Generated sets hold up to {most} images for each real one. {steps}.")
    if any(name.startswith("real+") for name in rows):
        share = config["classifier"]["real_share"]
        said.append(
            "Where generated images are added to real ones, a batch holds both in proportion to their numbers."
            if share is None
            else f"Where generated images are added to real ones, {100 * share:.0f} % of each batch are real images."
        )
    if seen := trained_on(config["base_model"]["path"]):
        said.append(
            f"The base model is a miniature that has only seen {seen}. The numbers say whether the gap and the "
            "remedy are there. They do not say how large both are for Stable Diffusion on photographs."
        )
    return said


_AS_DATA = {
    Verdict.BETTER: "are better training data than real ones",
    Verdict.WORSE: "are worse training data than real ones",
    Verdict.EQUIVALENT: "are as good training data as real ones, within {margin}",
    Verdict.UNDECIDED: f"are {UNTOLD} real ones as training data",
    Verdict.TOO_FEW: "cannot be judged by {seeds}",
}
_GAP = {
    Verdict.BETTER: "more than closes the gap between prompts and real images",
    Verdict.WORSE: "closes part of the gap between prompts and real images",
    Verdict.UNDECIDED: f"is better training data than prompts, and {UNTOLD} real images",
}
_CLOSED = "closes the gap between prompts and real images to within {margin}"
_NEITHER = "are told apart neither from real ones nor from prompts as training data"
_ADDED = {
    Verdict.BETTER: "help",
    Verdict.WORSE: "hurt",
    Verdict.EQUIVALENT: "change the accuracy by no more than {amount}",
    Verdict.UNDECIDED: f"are {UNTOLD} real ones alone",
    Verdict.TOO_FEW: "cannot be judged by {seeds}",
}
_PASSED = {
    Verdict.BETTER: "gains accuracy",
    Verdict.WORSE: "costs accuracy",
    Verdict.EQUIVALENT: "changes the accuracy by no more than {amount}",
    Verdict.UNDECIDED: f"is {UNTOLD} leaving them as they are",
    Verdict.TOO_FEW: "cannot be judged by {seeds}",
}


def _alone(row: Mapping[str, Any], real: Mapping[str, Any]) -> Sentence:
    return Sentence(
        f"Images from text prompts {_said(_AS_DATA, row)}:",
        f"{_trained(row)}. Trained on {real['n_real']:,} real images it gets {_accuracy(real)}. "
        f"The difference is {_difference(row)} points.",
    )


def _inverted(rows: Mapping[str, Mapping[str, Any]], pairs: pd.DataFrame) -> Sentence:
    row, prompts = rows["diffusion_inversion"], rows.get("stable_diffusion")
    lead = f"Images from Diffusion Inversion {_said(_AS_DATA, row)}:"
    rest = (
        f"a classifier trained on {row['n_generated']:,} of them gets {_accuracy(row)}. "
        f"Against real images that is {_difference(row)} points"
    )
    if prompts is None:
        return Sentence(lead, f"{rest}.")
    to_prompts = between(pairs, "diffusion_inversion", "stable_diffusion")
    found = to_prompts.verdict
    if prompts["verdict"] == Verdict.WORSE and found == Verdict.BETTER:
        closes = _CLOSED.format(margin=within(row["margin"])) if row["within_margin"] else _GAP[row["verdict"]]
        lead = f"Diffusion Inversion {closes}:"
    elif row["verdict"] == Verdict.UNDECIDED and found == Verdict.UNDECIDED:
        lead = f"Images from Diffusion Inversion {_NEITHER}:"
    return Sentence(lead, f"{rest}, and against prompts {to_prompts}.")


class Between(NamedTuple):
    """One training set minus another."""

    difference: float
    low: float
    high: float
    verdict: str
    within_margin: bool

    def __str__(self) -> str:
        return f"{points(self.difference)} ({interval(self.low, self.high, points)})"


def between(pairs: pd.DataFrame, training_set: str, other: str) -> Between:
    """A training set minus another, with its interval and verdict, whichever of the two comes first in the study."""
    for sign, one, reference in ((1, training_set, other), (-1, other, training_set)):
        found = pairs[(pairs.training_set == one) & (pairs.reference == reference)]
        if len(found):
            row = found.iloc[0]
            bounds = sorted((sign * row.difference_low, sign * row.difference_high))
            opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
            judged = row.verdict if sign == 1 else opposite.get(row.verdict, row.verdict)
            return Between(sign * row.difference, *bounds, judged, bool(row.within_margin))
    raise ValueError(f"pairs: must hold {training_set} and {other}, got {pairs.training_set.tolist()}")


def controls(training_sets: Iterable[str]) -> list[str]:
    """The rows of real images alone that are trained by a recipe."""
    return [row for row in training_sets if recipes.recipe(row) and recipes.sources_sum(row) == recipes.REAL]


def _added(rows: Mapping[str, Mapping[str, Any]], pairs: pd.DataFrame) -> list[Sentence]:
    """What images of both generators do beside the real ones, inversion first, and what other training does instead."""
    known = {"diffusion_inversion": "images from Diffusion Inversion", "stable_diffusion": "images from text prompts"}
    mixed = [(what, rows[f"real+{source}"]) for source, what in known.items() if f"real+{source}" in rows]
    if not mixed:
        return []
    (what, row), *others = mixed
    rest = f"a classifier gets {_accuracy(row)}. Against the real images alone that is {_difference(row)} points."
    for other, its_row in others:
        rest += f" Added in the same way, {other} {_said(_ADDED, its_row)}: {_difference(its_row)} points."
    for control in controls(rows):
        rest += (
            f" The control, {name(control)} without a generated image, gets {_accuracy(rows[control])}: "
            f"{_difference(rows[control])} points."
        )
        for source, its in known.items():
            beside = f"real+{source}@{recipes.recipe(control)}"
            if beside in rows:
                to_control = between(pairs, beside, control)
                judged = {**rows[beside], "verdict": to_control.verdict, "within_margin": to_control.within_margin}
                rest += f" Added to that, {its} {_said(_ADDED, judged)}: {to_control} points."
    return [Sentence(f"Added to the real images, {what} {_said(_ADDED, row)}:", rest)]


def _control(row: Mapping[str, Any]) -> Sentence:
    return Sentence(
        f"Passing the real images through the VAE alone {_said(_PASSED, row)}:",
        f"a classifier gets {_accuracy(row)}. Against real images that is {_difference(row)} points.",
    )


def _said(words: Mapping[Verdict, str], row: Mapping[str, Any]) -> str:
    """A row's verdict in these words; one that is told from zero and yet small says so."""
    said = words[row["verdict"]].format(
        margin=within(row["margin"]), amount=amount(row["margin"]), seeds=seeds(int(row["n_units"]))
    )
    small = row["within_margin"] and row["verdict"] in (Verdict.BETTER, Verdict.WORSE)
    return f"{said}, by less than {amount(row['margin'])}" if small else said


def _power(verdicts: pd.DataFrame) -> list[str]:
    """What the study could have seen, where it has the units to say so."""
    known = verdicts[verdicts.detectable.notna()]
    if known.empty:
        return []
    least, most = known.detectable.min(), known.detectable.max()
    return [
        "A difference below the table's column Detectable may well stay unseen. Four studies in five of this size see "
        f"one of {_span(least, most)} points, by the row."
    ]


def _span(least: float, most: float) -> str:
    return bare(least) if bare(least) == bare(most) else f"{bare(least)} to {bare(most)}"


def _trained(row: Mapping[str, Any], what: str = "of them") -> str:
    n = row["n_real"] + row["n_generated"]
    return f"a classifier trained on {n:,} {what} gets {_accuracy(row)} of {row['n_test']:,} real test images right"


def _accuracy(row: Mapping[str, Any]) -> str:
    return f"{percent(row['accuracy_mean'])} ({interval(row['accuracy_low'], row['accuracy_high'], bare)})"


def _difference(row: Mapping[str, Any]) -> str:
    return f"{points(row['difference_to_real'])} ({interval(row['difference_low'], row['difference_high'], points)})"


def _none_of(n: int) -> str:
    return "one seed, so not in them here" if n == 1 else f"{n} seeds"
