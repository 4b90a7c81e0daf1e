"""What to do next: for whoever has a task and some real images, from the numbers of a study."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from realgap.report import summary
from realgap.report.metrics import BALANCED, SENSITIVITY, guessing
from realgap.report.style import name
from realgap.report.wording import UNTOLD, amount, bare, duration, interval, percent, points, seeds
from realgap.statistics.verdicts import Verdict
from realgap.study import recipes

ALPHA = 0.05  # of being wrong in naming a class
FEWEST_OF_CLASS = 10  # test images


def next_steps(
    verdicts: pd.DataFrame,
    pairs: pd.DataFrame,
    metrics: pd.DataFrame,
    costs: pd.DataFrame | None = None,
    *,
    told_elsewhere: bool = False,
) -> list[str]:
    """Sentences, the most urgent first; verdicts, pairs: as of realgap.report.tables, metrics: as of metrics.table.

    costs: as of realgap.cost.accounting.accuracy_points.
    told_elsewhere: whether generated images help, by learning curves, where the table has too few seeds to say.
    """
    rows = verdicts.to_dict("records")
    real = next(row for row in rows if row["training_set"] == "real")
    classes = metrics[(metrics.training_set == "real") & (metrics.metric == SENSITIVITY)]
    if not real["accuracy_low"] > (chance := guessing(metrics)):
        return [
            f"First the real images: they are not told apart from guessing ({_accuracy(real)}; guessing gets "
            f"{percent(chance)}). Until they are, no row can be seen to be worse. {summary.BEFORE_ALL_ELSE}"
        ]
    added = [row for row in rows if row["training_set"].startswith("real+") and "@" not in row["training_set"]]
    whether = [] if told_elsewhere else [_whether(added, real), *_cheapest(added, costs), *_instead(rows, added, pairs)]
    return [*whether, *_balanced(added, metrics), *_weakest(classes)]


def _balanced(added: Sequence[Mapping[str, Any]], metrics: pd.DataFrame) -> list[str]:
    """Rows that are told from real where each class counts alike, and are not, or the other way, by all test images."""
    # a handful of images of a class are too few for a mean in which they weigh as much as all others
    if metrics[metrics.metric == SENSITIVITY].n_images.min() < FEWEST_OF_CLASS:
        return []
    own, said = metrics[metrics.metric == BALANCED].set_index("training_set"), []
    for row in added:
        if row["training_set"] not in own.index:
            continue
        found = own.loc[row["training_set"]]
        side = 1 if found.difference_low > 0 else -1 if found.difference_high < 0 else 0
        if side and row["verdict"] != (Verdict.BETTER if side > 0 else Verdict.WORSE):
            bounds = f"{points(found.difference_low)} to {points(found.difference_high)}"
            said.append(f"{name(row['training_set'])} {points(found.difference)} ({bounds})")
    if not said:
        return []
    return [
        f"Where each class counts alike it looks otherwise: by balanced accuracy {'; '.join(said)} points to real. All "
        "test images together hide what a class of few test images gains or loses."
    ]


def _cheapest(added: Sequence[Mapping[str, Any]], costs: pd.DataFrame | None) -> list[str]:
    """Which of several rows that help costs least for each point; their bounds are those of the gain."""
    helped = [row["training_set"] for row in added if row["verdict"] == Verdict.BETTER and not row["within_margin"]]
    if costs is None or len(helped) < 2:
        return []
    priced = costs[costs.training_set.isin(helped) & costs.s_per_point_gained.notna()]
    if len(priced) < 2:
        return []
    first, *others = priced.sort_values("s_per_point_gained", kind="stable").to_dict("records")
    told = first["s_per_point_gained_high"] < min(row["s_per_point_gained_low"] for row in others)
    lead = f"{name(first['training_set'])} costs least" if told else "None of them is told to cost least"
    return [f"{lead} for each point gained: {'; '.join(map(_price, [first, *others]))} of generating."]


def _price(row: Mapping[str, Any]) -> str:
    bounds = f"{duration(row['s_per_point_gained_low'])} to {duration(row['s_per_point_gained_high'])}"
    return f"{name(row['training_set'])} {duration(row['s_per_point_gained'])} ({bounds})"


def _instead(rows: Sequence[Mapping[str, Any]], added: Sequence[Mapping[str, Any]], pairs: pd.DataFrame) -> list[str]:
    """Other training of the real images alone, where it gains as much as the best row with generated ones."""
    by_name = {row["training_set"]: row for row in rows}
    better = [row for row in added if row["verdict"] == Verdict.BETTER]
    controls = [by_name[one] for one in summary.controls(by_name) if by_name[one]["verdict"] == Verdict.BETTER]
    if not better or not controls:
        return []
    best = max(better, key=lambda row: row["difference_to_real"])["training_set"]
    said = []
    for control in controls:
        to_best = summary.between(pairs, control["training_set"], best)
        if to_best.verdict not in _AS_MUCH:
            continue
        own = recipes.recipe(control["training_set"])
        said.append(
            f"Train by the recipe {own.replace('_', ' ')} first: it costs no image, and {_listed([control])} points "
            f"{_AS_MUCH[to_best.verdict].format(best=name(best))}. {_beside(by_name, pairs, own)}"
        )
    return said


_AS_MUCH = {
    Verdict.BETTER: "are more than {best} gains",
    Verdict.EQUIVALENT: "are as much as {best} gains",
    Verdict.UNDECIDED: f"are {UNTOLD} what {{best}} gains",
}


def _beside(rows: Mapping[str, Mapping[str, Any]], pairs: pd.DataFrame, own: str) -> str:
    """What generated images add to real ones that are trained by this recipe."""
    control = f"{recipes.REAL}@{own}"
    found = {
        row: summary.between(pairs, row, control) for row in rows if row.startswith("real+") and row.endswith(f"@{own}")
    }
    if not found:
        return f"Then ask again whether generated images help, with rows such as real+diffusion_inversion@{own}."
    numbers = "; ".join(f"{name(row)} {one} points" for row, one in found.items())
    helped = any(one.verdict == Verdict.BETTER and not one.within_margin for one in found.values())
    return f"Beside it generated images {'still help' if helped else 'are not seen to help'}: {numbers}."


def _whether(added: Sequence[Mapping[str, Any]], real: Mapping[str, Any]) -> str:
    """Yes, no, or cannot tell: whether generated images beside the real ones help at this number of real images."""
    if not added:
        return (
            "Whether generated images help beside your real ones this study does not ask: add rows such as "
            "real+diffusion_inversion to training_sets."
        )
    by_verdict = {verdict: [row for row in added if row["verdict"] == verdict] for verdict in Verdict}
    if helped := [row for row in by_verdict[Verdict.BETTER] if not row["within_margin"]]:
        return (
            f"Generated images help here: {_listed(helped)} points. Use them, and confirm it with other real images "
            "(seed: 1): of several rows that are looked at, one may be better by chance."
        )
    if open_ := by_verdict[Verdict.UNDECIDED] + by_verdict[Verdict.TOO_FEW]:
        rows_of: dict[str, list[str]] = {}
        for row in open_:
            rows_of.setdefault(_needed(row["units_needed"]), []).append(name(row["training_set"]))
        takes = [f"{needed} ({', '.join(rows)})" for needed, rows in rows_of.items()]
        return (
            f"Whether generated images help here cannot be told yet: {_listed(open_)} points. To know it to a point "
            f"takes {', '.join(takes)}."
        )
    return (
        f"Generated images are not worth their cost here: {_listed(added)} points, so none adds more than "
        f"{amount(real['margin'])} to {real['n_real']:,} real images. Leave them out, or ask with fewer real images "
        "(analyses: learning_curves)."
    )


def _weakest(classes: pd.DataFrame) -> list[str]:
    """The class that real images teach least, where it is told from the others among all of them."""
    if len(classes) < 3:
        return []
    worst = classes.loc[classes["mean"].idxmin()]
    others = classes.drop(worst.name)
    n_others = int(others.n_images.sum())
    rest = float((others["mean"] * others.n_images).sum() / n_others)
    # of one classifier's worth of test images: all seeds see the same ones
    counted = [
        (round(share * n), round((1 - share) * n)) for share, n in ((worst["mean"], worst.n_images), (rest, n_others))
    ]
    if stats.fisher_exact(counted, "less").pvalue * len(classes) > ALPHA:
        return []
    return [
        f"Of {worst['class']} the real images teach least: {percent(worst['mean'])} of its test images are right, "
        f"{percent(rest)} of the others. Look there first when you collect more."
    ]


def _needed(n_units: float) -> str:
    if pd.isna(n_units):
        return "three seeds or more"
    return "more test images" if n_units == float("inf") else seeds(int(n_units))


def _listed(rows: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{name(row['training_set'])} {points(row['difference_to_real'])} "
        f"({interval(row['difference_low'], row['difference_high'], points)})"
        for row in rows
    )


def _accuracy(row: Mapping[str, Any]) -> str:
    return f"{percent(row['accuracy_mean'])}, {interval(row['accuracy_low'], row['accuracy_high'], bare)}"
