"""Where generated images help: accuracy against the number of real images, and what a training set is worth in them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.analyses.learning_curves import TITLE
from realgap.analyses.learning_curves.measures import worth
from realgap.report import tables
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import bare, points
from realgap.statistics.differences import Difference, differences, p_of, paired
from realgap.statistics.rows import judged
from realgap.statistics.shares import above_chance, mean_share
from realgap.study import recipes, sources

ALPHA = 0.05


def accuracies(runs: Sequence[dict]) -> pd.DataFrame:
    """A row per classifier: tables.accuracies of the runs, each with its `per_class` and `draw`."""
    frame = tables.accuracies(list(runs)).drop(columns="seed")
    for place, key in enumerate(("per_class", "draw"), start=1):
        frame.insert(place, key, [run[key] for run in runs])
    return frame


def correct(runs: Sequence[dict]) -> dict[int, dict[str, np.ndarray]]:
    """per_class -> training set -> (draws, images) bool: what each classifier says right; of groups as tables.hits."""
    found: dict[int, dict[str, list[np.ndarray]]] = {}
    for run in sorted(runs, key=lambda one: (one["per_class"], one["draw"])):
        right = run["logits"].argmax(axis=1) == run["labels"]
        found.setdefault(run["per_class"], {}).setdefault(run["training_set"], []).append(right)
    return {
        count: {key: tables.of_items(np.stack(rows), runs[0]) for key, rows in own.items()}
        for count, own in found.items()
    }


def compared(
    right: dict[int, dict[str, np.ndarray]],
    margin: float,
    picks: Mapping[str, str] | None = None,
    chance: float = 0.0,
) -> pd.DataFrame:
    """A row per number of real images and training set: accuracy, difference to its reference, verdict.

    The reference is the row of real images trained by the same recipe (realgap.study.recipes). Columns: per_class,
    training_set, reference, n_draws, mean, low, high, difference, difference_low, difference_high, verdict, detectable,
    p_value, best_real, over_best, over_best_low, over_best_high, over_best_p, family_p, over_best_family_p. Fractions;
    95 % intervals over draws and test images. best_real: the row of real images alone, by any recipe, with the highest
    mean at this number; a row's difference to it is what is left beside the best control. The last two: Holm, over all
    differences of their kind.

    chance: what guessing reaches (statistics.rows.study_rows). picks: row that holds a selection -> the row with a
    random pick of the same candidates. Where there are any, these columns follow: picked (that row), over_picked,
    over_picked_low, over_picked_high, over_picked_verdict, over_picked_detectable, over_picked_p, over_picked_family_p.
    """
    rows = [row for per_class, own in right.items() for row in _of_count(per_class, own, margin, chance)]
    families = {"p_value": "family_p", "over_best_p": "over_best_family_p"}
    if picks:
        rows = [{**row, **_over_picked(row, picks, right[row["per_class"]], margin, chance)} for row in rows]
        families["over_picked_p"] = "over_picked_family_p"
    table = pd.DataFrame(rows)
    for own, of_family in families.items():
        known = table[own].notna()
        table[of_family] = np.nan
        if known.any():  # rows of real images alone have none over the best of their kind
            table.loc[known, of_family] = statistics.holm(table.loc[known, own])
    return table


def _of_count(per_class: int, own: dict[str, np.ndarray], margin: float, chance: float) -> list[dict]:
    """The rows of one number of real images, in the order of the training sets."""
    by_reference: dict[str, list[str]] = {}
    for key in own:
        by_reference.setdefault(recipes.reference(key, own), []).append(key)
    made = {}
    for reference, names in by_reference.items():
        names = list(dict.fromkeys([reference, *names]))
        each = np.stack([own[key] for key in names])
        found = differences(each.mean(axis=2), 0, each)
        learned = above_chance(own[reference], chance)
        made |= {
            key: _row(per_class, key, reference, own[key], one, margin, learned)
            for key, one in zip(names, found, strict=True)
            if key != reference or reference == recipes.REAL
        }
    best = max((key for key in own if _is_real(key)), key=lambda key: own[key].mean())
    return [{**made[key], **_over_best(key, best, own)} for key in own]


def _is_real(training_set: str) -> bool:
    return recipes.sources_sum(training_set) == recipes.REAL


def _over_best(key: str, best: str, own: dict[str, np.ndarray]) -> dict:
    columns = ("over_best", "over_best_low", "over_best_high", "over_best_p")
    found = None if _is_real(key) else paired(own[key], own[best])
    values = (np.nan,) * 4 if found is None else (*found[:3], p_of(found))
    return {"best_real": best, **dict(zip(columns, values, strict=True))}


def _over_picked(row: dict, picks: Mapping[str, str], own: dict[str, np.ndarray], margin: float, chance: float) -> dict:
    key = row["training_set"]
    columns = [f"over_picked{of}" for of in ("", "_low", "_high", "_verdict", "_detectable", "_p")]
    if key not in picks:
        return {"picked": None, **dict(zip(columns, (np.nan, np.nan, np.nan, None, np.nan, np.nan), strict=True))}
    found, learned = paired(own[key], own[picks[key]]), above_chance(own[picks[key]], chance)
    value, low, high, verdict, _, detectable, _ = judged(found, margin, learned)
    return {
        "picked": picks[key],
        **dict(zip(columns, (value, low, high, verdict, detectable, p_of(found)), strict=True)),
    }


def _row(
    per_class: int, key: str, reference: str, cells: np.ndarray, found: Difference, margin: float, learned: bool
) -> dict:
    """cells: (draws, images) bool of the training set; found: its difference to the reference, said of other rows.

    learned: whether the reference is above chance.
    """
    columns = ("difference", "difference_low", "difference_high", "verdict", "detectable", "p_value")
    value, low, high, verdict, _, detectable, _ = judged(found, margin, learned)
    told = (value, low, high, verdict, detectable, p_of(found))
    if key == reference:
        told = (np.nan, np.nan, np.nan, None, np.nan, np.nan)
    return {
        **{"per_class": per_class, "training_set": key, "reference": reference, "n_draws": len(cells)},
        **dict(zip(("mean", "low", "high"), mean_share(cells), strict=True)),
        **dict(zip(columns, told, strict=True)),
    }


def worths(right: dict[int, dict[str, np.ndarray]], per_image: dict[str, int]) -> pd.DataFrame:
    """A row per number of real images and training set of generated ones: the real images that it is worth.

    per_image: training set -> generated images of each real one. Columns: per_class, training_set, n_generated (of each
    class), worth, low, high (real images of each class that reach the same accuracy by the same recipe), per_generated
    (of one generated image, in real images: what is left when the real ones of the training set are taken off; nan
    beyond the counts).
    """
    counts, rows = list(right), []
    for per_class, own in right.items():
        for key, cells in own.items():
            if _is_real(key):
                continue
            real = np.stack([others[recipes.reference(key, others)] for others in right.values()])
            found, made = worth(counts, real, cells), per_class * per_image[key]
            held = per_class if recipes.REAL in sources.parts_of(key) else 0
            rows.append(
                {
                    **{"per_class": per_class, "training_set": key, "n_generated": made},
                    **{"worth": found.count, "low": found.low, "high": found.high},
                    "per_generated": (found.count - held) / made if found.within(counts) else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=_WORTH)


def section(table: pd.DataFrame, worth_table: pd.DataFrame, pool: int, evaluated_on: str) -> Section:
    """The report's section. pool: real images of each class that the draws are taken from.

    evaluated_on: test or validation, the images that the accuracies are of.
    """
    sentences = [] if table.training_set.map(_is_real).all() else [gains(table)]
    if "picked" in table:
        sentences.append(choice(table))
    sentences += [_of_row(own) for key, own in table.groupby("training_set", sort=False) if key != "real"]
    helped = table[
        (table.verdict == "better") & (table.family_p < ALPHA) & table.training_set.isin(worth_table.training_set)
    ]
    sentences += [
        _worth(
            worth_table[(worth_table.training_set == key) & (worth_table["per_class"] == own["per_class"].min())].iloc[
                0
            ]
        )
        for key, own in helped.groupby("training_set", sort=False)
    ]
    most = int(table["per_class"].max())
    return Section(
        name="learning_curves",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "learning_curves/table.csv",
                "Accuracy by real images of each class: mean over draws, and difference to the row of real images that "
                f"is trained alike, with the same draws. 95 % intervals over draws and {evaluated_on} images.",
                {
                    **{"per_class": "real a class", "training_set": "training set", "mean": "accuracy"},
                    **{"reference": "compared with", **COMPARED_WITH_REAL},
                },
                percent=("mean",),
            ),
            Table(
                "learning_curves/worth.csv",
                "Real images of each class that reach the same accuracy, with the counts that are not told apart. "
                "0 and inf: beyond the counts that were tried.",
                {
                    **{"per_class": "real a class", "training_set": "training set", "n_generated": "generated a class"},
                    **{"worth": "worth, real a class", "low": "from", "high": "to"},
                    "per_generated": "one generated image is worth",
                },
                intervals={"worth": ("low", "high")},
            ),
        ],
        figures=[
            Figure(
                "figures/learning_curves.svg",
                "Accuracy against real images of each class, with 95 % intervals over draws and "
                f"{evaluated_on} images.",
                "Lines of accuracy against the number of real images; the table above holds them",
            )
        ],
        notes=[
            "A draw has its own real images and its own classifier seed.",
            f"Draws are taken from {pool} real images of each class. Two draws of {most} share {most / pool:.0%} of "
            "their images in the mean. So intervals at large counts say less about other real images.",
            f"A gain is named where its p stays below {ALPHA} after Holm's correction for all "
            f"{int(table.p_value.notna().sum())} comparisons of the table.",
        ],
    )


def gains(table: pd.DataFrame) -> str:
    """Where training sets with generated images are better than real images trained alike, and than the best control.

    The largest gain of each training set, at most three of them.
    """
    counts = _numbers(table)
    sure = table[(table.verdict == "better") & (table.family_p < ALPHA) & ~table.training_set.map(_is_real)]
    if sure.empty:
        return (
            f"With {counts} real images of each class, no training set with generated images is shown to be better "
            "than real images trained alike."
        )
    best = sure.loc[sure.groupby("training_set", sort=False).difference.idxmax()]
    best = best.sort_values("difference", ascending=False, kind="stable").head(3)
    most = "; ".join(
        f"{name(row.training_set)} by {points(row.difference)} points at {row['per_class']}"
        for _, row in best.iterrows()
    )
    return (
        f"Generated images help with {_numbers(sure)} real images of each class ({counts} were tried). "
        f"The largest gains over real images trained alike: {most}. {_left(sure)}"
    )


def choice(table: pd.DataFrame) -> str:
    """Whether what is chosen by a criterion is better than a random pick of the same candidates."""
    tried = table[table.picked.notna()]
    sure = tried[(tried.over_picked_verdict == "better") & (tried.over_picked_family_p < ALPHA)]
    if len(sure):
        best = sure.loc[sure.over_picked.idxmax()]
        bounds = f"{points(best.over_picked_low)} to {points(best.over_picked_high)}"
        return (
            f"Choosing helps: {name(best.training_set)} gains {points(best.over_picked)} points ({bounds}) at "
            f"{best['per_class']} over a random pick of the same candidates."
        )
    same = int((tried.over_picked_verdict == "equivalent").sum())
    return (
        f"No criterion is shown to be better than a random pick of the same candidates ({len(tried)} comparisons; "
        f"{same} of them equivalent; differences of {bare(tried.over_picked_detectable.median())} points would "
        "mostly have been seen)."
    )


def _left(sure: pd.DataFrame) -> str:
    """What remains of the gains beside the best row of real images alone."""
    left = sure[(sure.over_best > 0) & (sure.over_best_family_p < ALPHA)]
    if left.empty:
        return "Over the best of the rows of real images alone none of them is left."
    most = left.loc[left.over_best.idxmax()]
    bounds = f"{points(most.over_best_low)} to {points(most.over_best_high)}"
    return (
        f"Over the best of the rows of real images alone ({name(most.best_real)}), {name(most.training_set)} still "
        f"gains {points(most.over_best)} points ({bounds}) at {most['per_class']}."
    )


def _of_row(own: pd.DataFrame) -> str:
    """What one training set does at each count, in the order of counts."""
    said, against = [], name(own.reference.iloc[0])
    sure = own.family_p < ALPHA
    for verdict in ("better", "worse"):
        rows = own[(own.verdict == verdict) & sure]
        if len(rows):
            row = rows.iloc[0]
            interval = f"{points(row.difference_low)} to {points(row.difference_high)}"
            said.append(
                f"{verdict} than {against} with {_counts(rows['per_class'])} real images of each class "
                f"({points(row.difference)} points at {row['per_class']}, {interval})"
            )
    same = own[own.verdict == "equivalent"]
    if len(same):
        said.append(f"equivalent to {against} with {_counts(same['per_class'])}")
    if not said:
        return f"{name(own.training_set.iloc[0])}: undecided at every number of real images."
    return f"{name(own.training_set.iloc[0])}: {'; '.join(said)}."


def _worth(row: pd.Series) -> str:
    high = "more than were tried" if np.isinf(row.high) else f"{row.high:.0f}"
    low = "fewer than were tried" if row.low == 0 else f"{row.low:.0f}"
    return (
        f"With {row['per_class']} real images of each class, {name(row.training_set)} is as good as {row.worth:.0f} "
        f"real images of each class ({low} to {high})."
    )


def _numbers(rows: pd.DataFrame) -> str:
    return _counts(pd.Series(sorted(rows["per_class"].unique())))


def _counts(counts: pd.Series) -> str:
    *first, last = map(str, counts)
    return f"{', '.join(first)} and {last}" if first else last


_WORTH = ["per_class", "training_set", "n_generated", "worth", "low", "high", "per_generated"]
