"""What accuracy hides where classes are of unequal size: balanced accuracy, macro F1, AUC, and each class's share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from realgap.report import tables
from realgap.report.sections import Section, Table
from realgap.report.style import name
from realgap.report.wording import interval, percent, points, seeds
from realgap.store import naming

TITLE = "Does each class count alike?"
SENSITIVITY = "sensitivity"
LONE = "a class has a single test image"
BALANCED = "balanced_accuracy"
OF_ALL = (BALANCED, "macro_f1", "auc")


def by_seed(prediction: Mapping) -> dict[str, float]:
    """The measures of a classifier by name; prediction: logits (n, classes) and labels (n,), each class among them."""
    logits, labels = prediction["logits"].astype(np.float64), prediction["labels"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares, called = odds / odds.sum(axis=1, keepdims=True), logits.argmax(axis=1)
    of_two = {"y_score": shares[:, 1]} if shares.shape[1] == 2 else {"y_score": shares, "multi_class": "ovr"}
    return {
        BALANCED: balanced_accuracy_score(labels, called),
        "macro_f1": f1_score(labels, called, average="macro", zero_division=0),
        "auc": roc_auc_score(labels, **of_two),
    }


def table(predictions: Sequence[Mapping]) -> pd.DataFrame:
    """A row per training set and measure, with its difference to `real`; of sensitivity a row per class as well.

    predictions: as tables.accuracies takes them, with naming.KEY, which says the classes. 95 % intervals: of
    sensitivity and balanced accuracy over seeds and test images, of macro F1 and AUC, which are no means of images,
    over seeds alone. Columns: training_set, metric, class ("" for all together), n_images, n_seeds, mean, low, high,
    difference, difference_low, difference_high.
    """
    class_names, compared = naming.names(dict(enumerate(predictions))), tables.references(predictions)
    right = _right(predictions, class_names)
    of_class = tables.over_seeds(right, "right", ["class"], compared).assign(metric=SENSITIVITY)
    weighted = tables.over_seeds(right, "weighted", (), compared).assign(metric=BALANCED)
    weighted[["low", "high"]] = weighted[["low", "high"]].clip(0, 1)
    rows = [
        {"training_set": one["training_set"], "seed": one["seed"], "metric": metric, "value": value}
        for one in predictions
        for metric, value in by_seed(one).items()
        if metric != BALANCED
    ]
    others = tables.over_seeds(pd.DataFrame(rows), "value", ["metric"], compared)
    found = pd.concat([weighted, others, of_class], ignore_index=True)
    # one test image is no sample of its class: nothing says how sure its share is, or a mean of such shares
    labels = predictions[0]["labels"]
    n_of = dict(zip(class_names, np.bincount(labels, minlength=len(class_names)), strict=True))
    lone = found["class"].map(n_of).eq(1)
    if lone.any():
        lone |= found.metric == BALANCED
    found.loc[lone, ["low", "high", "difference_low", "difference_high"]] = np.nan
    # all of these measures lie in [0, 1]
    found[["difference_low", "difference_high"]] = found[["difference_low", "difference_high"]].clip(-1, 1)
    found["class"] = found["class"].fillna("")
    found["n_images"] = found["class"].map(n_of).fillna(len(labels)).astype(int)
    order = {key: place for place, key in enumerate(dict.fromkeys(one["training_set"] for one in predictions))}
    found = found.sort_values("training_set", key=lambda keys: keys.map(order), kind="stable")
    return found[_COLUMNS].reset_index(drop=True)


def guessing(found: pd.DataFrame) -> float:
    """What tables.guessing has of the test images of this table."""
    n_images = found[(found.training_set == found.training_set.iloc[0]) & (found.metric == SENSITIVITY)].n_images
    return float(n_images.max() / n_images.sum())


def section(found: pd.DataFrame) -> Section:
    """The report's section: what each row reaches where each class counts alike, and its worst class."""
    return Section(
        name="metrics",
        title=TITLE,
        sentences=[_of_row(key, own) for key, own in found.groupby("training_set", sort=False)],
        tables=[
            Table(
                "metrics.csv",
                "Balanced accuracy is the mean of the classes' sensitivities, macro F1 that of their F1 scores, AUC "
                "that of each class against all others. Sensitivity: the share of a class's test images that are "
                "called so. Differences are to the row of real images.",
                {
                    **{
                        "training_set": "training set",
                        "metric": "measure",
                        "class": "class",
                        "n_images": "test images",
                    },
                    **{"mean": "value", "low": "95 % interval from", "high": "to"},
                    **{"difference": "difference to real", "difference_low": "from", "difference_high": "to"},
                },
                intervals={"mean": ("low", "high")},
            )
        ],
        notes=[
            "Intervals of macro F1 and AUC are over seeds alone; the others are over seeds and test images.",
            "A class of few test images has a wide interval: one image of ten is ten points. A class of one has none.",
        ],
    )


def _right(predictions: Sequence[Mapping], class_names: Sequence[str]) -> pd.DataFrame:
    """A row per training set, seed and test image: whether it is right, and that weighed so that classes are alike."""
    frames = []
    for one in predictions:
        labels = one["labels"]
        right = (one["logits"].argmax(axis=1) == labels).astype(float)
        counts = np.bincount(labels, minlength=len(class_names))
        weight = len(labels) / (np.count_nonzero(counts) * counts[labels])
        own = {"training_set": one["training_set"], "seed": one["seed"], "class": np.array(class_names)[labels]}
        frames.append(pd.DataFrame({**own, "right": right, "weighted": right * weight}))
    return pd.concat(frames, ignore_index=True)


def _of_row(key: str, own: pd.DataFrame) -> str:
    row = own[own.metric == BALANCED].iloc[0]
    classes = own[own.metric == SENSITIVITY]
    worst = classes.loc[classes["mean"].idxmin()]
    said = f"{name(key)}: balanced accuracy {percent(row['mean'])}"
    if pd.notna(row.difference):
        known, why = pd.notna(row.difference_low), LONE if classes.n_images.min() == 1 else seeds(int(row.n_seeds))
        bounds = interval(row.difference_low, row.difference_high, points) if known else f"no interval: {why}"
        said += f", {points(row.difference)} points ({bounds}) to real"
    return f"{said}; its worst class is {worst['class']} with {percent(worst['mean'])}."


_COLUMNS = [
    *("training_set", "metric", "class", "n_images", "n_seeds", "mean", "low", "high"),
    *("difference", "difference_low", "difference_high"),
]
