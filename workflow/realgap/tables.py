"""From predictions to the study's table: seeds are the unit, differences are paired by seed."""

import pandas as pd

from realgap import statistics


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
