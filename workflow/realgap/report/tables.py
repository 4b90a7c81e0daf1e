"""From predictions to the study's tables: seeds are the unit, differences are paired by seed."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.statistics import crossed, differences
from realgap.statistics import rows as judging
from realgap.statistics.differences import mean_of
from realgap.statistics.shares import mean_share
from realgap.store import files


def accuracies(predictions: list[dict]) -> pd.DataFrame:
    """One row per training set and seed, in the order given.

    Each prediction is a dict with training_set, seed, parts [(source, count), ...], logits (n, classes)
    and labels (n,).
    """
    rows = []
    for one in predictions:
        counts = dict(one["parts"])
        n_real = counts.pop("real", 0)
        correct = one["logits"].argmax(axis=1) == one["labels"]
        rows.append(
            {
                "training_set": one["training_set"],
                "seed": one["seed"],
                "n_real": n_real,
                "n_generated": sum(counts.values()),
                "n_test": len(correct),
                "accuracy": correct.mean(),
            }
        )
    return pd.DataFrame(rows)


def references(made: Iterable[Mapping]) -> dict[str, str]:
    """training set -> the row that it is compared with, as its predictions say: real images, of its own classifier.

    made: predictions as `accuracies` takes them, or the attributes of files of an analysis.
    """
    return {one["training_set"]: one.get("reference") or "real" for one in made}


def table(accuracies: pd.DataFrame, compared_with: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A row per training set: mean accuracy and the paired difference to real images, with 95 % intervals.

    compared_with: as `references` gives it; without it every row is compared with `real`.

    Student t intervals over seeds, each row by itself and without the test images: `verdicts` has what a page says.
    Fractions, not percent. With one seed the bounds are empty.
    """
    rows = []
    for training_set, group in accuracies.groupby("training_set", sort=False):
        group, reference = group.sort_values("seed"), (compared_with or {}).get(training_set, "real")
        baseline = accuracies[accuracies.training_set == reference].sort_values("seed")
        mean, low, high = statistics.mean_interval(group.accuracy)
        difference = statistics.paired_difference(group.accuracy, baseline.accuracy)
        rows.append(
            {
                "training_set": training_set,
                "n_real": group.n_real.iloc[0],
                "n_generated": group.n_generated.iloc[0],
                "n_seeds": len(group),
                "accuracy_mean": mean,
                "accuracy_low": low,
                "accuracy_high": high,
                **dict(zip(("difference_to_real", "difference_low", "difference_high"), difference, strict=True)),
            }
        )
    return pd.DataFrame(rows)


def hits(predictions: Sequence[dict]) -> dict[str, np.ndarray]:
    """Right answers of each training set, (seeds, images) bool, seeds in rising order; predictions as `accuracies`.

    Where predictions have `groups`, of their images, they are (seeds, groups) as crossed.of_groups has them.
    ValueError if a training set has other seeds, or other test images, than the first.
    """
    found: dict[str, dict[int, np.ndarray]] = {}
    for one in predictions:
        right = one["logits"].argmax(axis=1) == one["labels"]
        found.setdefault(one["training_set"], {})[int(one["seed"])] = right
    seeds, n_test = sorted(next(iter(found.values()))), len(predictions[0]["labels"])
    for name, own in found.items():
        if sorted(own) != seeds or any(len(one) != n_test for one in own.values()):
            raise ValueError(
                f"predictions: must be of the seeds {seeds} and of the same test images, got {name!r} with others"
            )
    return {name: of_items(np.stack([own[seed] for seed in seeds]), predictions[0]) for name, own in found.items()}


def of_items(values: np.ndarray, prediction: Mapping) -> np.ndarray:
    """Values (..., images) of what is sampled by itself: of a prediction's images, or of its groups of images."""
    return crossed.of_groups(values, prediction["groups"]) if prediction.get("groups") else values


def guessing(labels: np.ndarray) -> float:
    """The accuracy of a classifier that always says the most frequent of these test labels."""
    return float(np.bincount(labels).max() / len(labels))


def verdicts(predictions: Sequence[dict], margin: float) -> pd.DataFrame:
    """A row per training set, classifier by classifier, as statistics.rows.study_rows judges it; what a page shows.

    predictions: as `accuracies` takes them; test images are in the intervals. margin: of accuracy. Columns: those of
    `table`, with n_units in place of n_seeds, then verdict, within_margin, detectable, units_needed, n_test and margin;
    n_groups where test images stand in groups. Fractions.
    """
    correct, compared_with = hits(predictions), references(predictions)
    counts = accuracies(predictions).drop_duplicates("training_set").set_index("training_set")
    found, n_test, chance = [], len(predictions[0]["labels"]), guessing(predictions[0]["labels"])
    for reference in dict.fromkeys(compared_with.values()):
        names = [name for name in correct if compared_with[name] == reference]
        each = np.stack([correct[name] for name in names])
        found += judging.study_rows(each.mean(axis=2), names, n_test, reference, each, margin, chance)
    frame = pd.DataFrame(found, columns=_NAMES).assign(n_test=n_test, margin=margin)
    if (items := next(iter(correct.values())).shape[1]) != n_test:
        frame["n_groups"] = items
    for place, column in enumerate(("n_real", "n_generated"), start=1):
        frame.insert(place, column, frame.training_set.map(counts[column]))
    return frame


def judged(correct: Mapping[str, np.ndarray], margin: float, chance: float, reference: str = "real") -> pd.DataFrame:
    """What `verdicts` has of hits (seeds, images) bool of each training set, in the columns of an analysis.

    chance: what guessing reaches on these images (`guessing`), as statistics.rows.study_rows takes it. Columns:
    training_set, n_seeds, mean, low, high, difference, difference_low, difference_high, verdict, within_margin.
    """
    each = np.stack(list(correct.values()))
    found = judging.study_rows(each.mean(axis=2), list(correct), each.shape[2], reference, each, margin, chance)
    return pd.DataFrame([row[:10] for row in found], columns=_JUDGED)


def pairs(predictions: Sequence[dict], margin: float) -> pd.DataFrame:
    """A row for each two training sets: the one minus its `reference`, which stands before it in the study.

    Arguments as `verdicts` takes them. Each row has its own 95 % interval.
    """
    correct = hits(predictions)
    each = np.stack(list(correct.values()))
    found = judging.pairs(each.mean(axis=2), list(correct), each, margin, guessing(predictions[0]["labels"]))
    return pd.DataFrame(found, columns=judging.Pair._fields).rename(columns={"name": "training_set"})


def verdicts_of(accuracies: pd.DataFrame, margin: float) -> pd.DataFrame:
    """As `verdicts`, from the accuracies of a study alone; which images are hit is not known: intervals are wider."""
    names, values = _by_training_set(accuracies)
    n_test = int(accuracies.n_test.iloc[0])
    found = judging.study_rows(values, names, n_test, margin=margin)
    frame = pd.DataFrame(found, columns=_NAMES).assign(n_test=n_test, margin=margin)
    counts = accuracies.drop_duplicates("training_set").set_index("training_set")
    for place, column in enumerate(("n_real", "n_generated"), start=1):
        frame.insert(place, column, frame.training_set.map(counts[column]))
    return frame


def pairs_of(accuracies: pd.DataFrame, margin: float) -> pd.DataFrame:
    """As `pairs`, from the accuracies alone."""
    names, values = _by_training_set(accuracies)
    found = judging.pairs(values, names, margin=margin)
    return pd.DataFrame(found, columns=judging.Pair._fields).rename(columns={"name": "training_set"})


def _by_training_set(accuracies: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Names, and accuracies (rows, seeds). ValueError if a training set has other seeds than another."""
    by_seed = accuracies.pivot(index="seed", columns="training_set", values="accuracy")
    names = list(dict.fromkeys(accuracies.training_set))
    if by_seed.isna().any(axis=None):
        raise ValueError(
            f"seeds: must be those of real for every training set, got {accuracies.seed.unique().tolist()}"
        )
    return names, by_seed[names].to_numpy().T


_NAMES = [
    *("training_set", "n_units", "accuracy_mean", "accuracy_low", "accuracy_high"),
    *("difference_to_real", "difference_low", "difference_high"),
    *("verdict", "within_margin", "detectable", "units_needed"),
]


_OVER_SEEDS = ["n_seeds", "mean", "low", "high", "difference", "difference_low", "difference_high"]
_JUDGED = ["training_set", *_OVER_SEEDS, "verdict", "within_margin"]


def as_csv(frame: pd.DataFrame) -> str:
    """The text of a table at rest: fractions to six digits."""
    return frame.to_csv(index=False, float_format="%.6f")


def over_seeds(
    observations: pd.DataFrame,
    value: str,
    within: Sequence[str] = (),
    compared_with: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Mean of `value` over seeds and its difference to real images, a row per training set and group.

    compared_with: training set -> the row that it is compared with, else `real`.

    observations: training_set, seed, value and the columns `within`, which name a group (a class, a bin). Several rows
    of a seed and group are items, e.g. images, the same ones in the same order for all seeds and training sets: their
    sampling is part of the intervals, as statistics.differences.paired has it. A nan leaves the group without a value.
    Columns: training_set, *within, n_seeds, mean, low, high, difference, difference_low, difference_high, p_value; the
    last of the difference by itself. nan for the reference's difference to itself. 95 % intervals; those of numbers in
    [0, 1] stay there.
    """
    keys = ["training_set", *within]
    groups = {key: _by_seed(group, value) for key, group in observations.groupby(keys, sort=False, dropna=False)}
    rows = []
    for key, (seeds, values) in groups.items():
        reference = (compared_with or {}).get(key[0], "real")
        other = groups.get((reference, *key[1:])) if key[0] != reference else None
        if other is not None and other[0] != seeds:
            raise ValueError(f"seeds: must be those of the reference, {other[0]}, got {seeds}")
        compared = _over_seeds(values, None if other is None else other[1])
        rows.append((*key, len(seeds), *compared))
    return pd.DataFrame(rows, columns=[*keys, *_OVER_SEEDS, "p_value"])


def save(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all, numbers to six digits."""
    files.write(path, frame.to_csv(index=False, float_format="%.6g").encode())


def _by_seed(group: pd.DataFrame, value: str) -> tuple[list[int], np.ndarray]:
    """Its seeds in rising order, and the values (seeds, items)."""
    each = {int(seed): own[value].to_numpy(dtype=np.float64) for seed, own in group.groupby("seed")}
    if len({len(own) for own in each.values()}) > 1:
        raise ValueError(f"{value}: must be of as many items for each seed, got {[len(own) for own in each.values()]}")
    return list(each), np.stack(list(each.values()))


def _over_seeds(values: np.ndarray, other: np.ndarray | None) -> tuple[float, ...]:
    nothing = (float("nan"),) * 3
    if not np.isfinite(values).all():
        return (*nothing, *nothing, float("nan"))
    inside = values.min() >= 0 and values.max() <= 1
    mean = mean_share(values) if inside and values.shape[1] > 1 else mean_of(values)
    if inside:
        mean = (mean[0], max(mean[1], 0.0), min(mean[2], 1.0))
    if other is None or not np.isfinite(other).all():
        return (*mean, *nothing, float("nan"))
    found = differences.paired(values, other)
    return (*mean, *found[:3], differences.p_of(found))
