"""From predictions to the study's table: seeds are the unit, differences are paired by seed."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from realgap import statistics
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


def table(accuracies: pd.DataFrame, reference: str = "real") -> pd.DataFrame:
    """A row per training set: mean accuracy and the paired difference to `reference`, with 95 % intervals.

    Student t intervals over seeds; fractions, not percent. With one seed the bounds are empty.
    """
    baseline = accuracies[accuracies.training_set == reference].sort_values("seed")
    rows = []
    for training_set, group in accuracies.groupby("training_set", sort=False):
        group = group.sort_values("seed")
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


def as_csv(frame: pd.DataFrame) -> str:
    """The text of a table at rest: fractions to six digits."""
    return frame.to_csv(index=False, float_format="%.6f")


def over_seeds(
    observations: pd.DataFrame, value: str, within: Sequence[str] = (), reference: str = "real"
) -> pd.DataFrame:
    """Mean of `value` over seeds and its difference to `reference`, a row per training set and group.

    observations: training_set, seed, value and the columns `within`, which name a group (a class, a bin);
    several rows of a seed and group, e.g. images, are averaged first, and nan leaves that seed without a value.
    Columns: training_set, *within, n_seeds, mean, low, high, difference, difference_low, difference_high,
    p_value. 95 % Student t intervals, differences paired by seed, p by exact sign flips; nan where a seed has
    no value, and for the reference's difference to itself.
    """
    keys = ["training_set", *within]
    seeds = observations.groupby([*keys, "seed"], sort=False, dropna=False)[value].mean().reset_index()
    groups = {key: group.sort_values("seed") for key, group in seeds.groupby(keys, sort=False)}
    rows = []
    for key, group in groups.items():
        other = groups.get((reference, *key[1:])) if key[0] != reference else None
        rows.append({**dict(zip(keys, key, strict=True)), **_over_seeds(group, other, value)})
    return pd.DataFrame(rows)


def save(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all, numbers to six digits."""
    files.write(path, frame.to_csv(index=False, float_format="%.6g").encode())


def _over_seeds(group: pd.DataFrame, other: pd.DataFrame | None, value: str) -> dict[str, float]:
    own, nothing = group[value].to_numpy(), (float("nan"),) * 3
    known = bool(pd.notna(own).all())
    mean, difference, p_value = statistics.mean_interval(own) if known else nothing, nothing, float("nan")
    if known and other is not None and other[value].notna().all():
        if other.seed.tolist() != group.seed.tolist():
            raise ValueError(f"seeds: must be those of the reference, {other.seed.tolist()}, got {group.seed.tolist()}")
        difference = statistics.paired_difference(own, other[value])
        p_value = statistics.permutation_test(own, other[value])
    return {
        "n_seeds": len(group),
        **dict(zip(("mean", "low", "high"), mean, strict=True)),
        **dict(zip(("difference", "difference_low", "difference_high"), difference, strict=True)),
        "p_value": p_value,
    }
