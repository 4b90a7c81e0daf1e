"""The figures of errors: by class, by confusion, by distance to the real training data, by confidence."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from realgap.report import charts
from realgap.report.figures import name


def class_accuracy(by_class: pd.DataFrame, class_names: Sequence[str]) -> plt.Figure:
    """Accuracy of each class minus that of real (rows of section.by_class)."""
    shown = by_class.assign(source=by_class.training_set, metric="accuracy", sure=by_class.family_p <= 0.05)
    return charts.by_class_heat(shown, ["accuracy"], class_names)


def confusion(confused: pd.DataFrame, class_names: Sequence[str]) -> plt.Figure:
    """Confusion matrices minus that of real (rows of section.confusions), in percentage points."""
    sns.set_theme(style="white", context="notebook")
    shown = [
        key for key in confused.training_set.unique() if confused[confused.training_set == key].difference.notna().any()
    ]
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    side = max(2.6, 0.3 * len(class_names) + 1.2)
    figure, grid = plt.subplots(
        lines, columns, figsize=(side * columns + 1, side * lines + 0.3), squeeze=False, layout="constrained"
    )
    limit = 100 * float(np.nanmax(np.abs(confused.difference)))
    for axes, key in zip(grid.flat, shown, strict=False):
        rows = confused[confused.training_set == key]
        values = (
            100
            * rows.pivot(index="class", columns="predicted", values="difference").loc[
                list(class_names), list(class_names)
            ]
        )
        sns.heatmap(
            values,
            ax=axes,
            cmap="RdGy_r",
            center=0,
            vmin=-limit,
            vmax=limit,
            cbar=False,
            square=True,
            linewidths=0.3,
            linecolor="#dddddd",
        )
        axes.set_title(name(key), fontsize=10)
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(labelsize=8)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    bar = figure.colorbar(grid[0, 0].collections[0], ax=grid, shrink=0.6)
    bar.set_label("difference to real,\npercentage points of the true class", fontsize=9)
    return figure


def edge(by_distance: pd.DataFrame) -> plt.Figure:
    """Accuracy by distance to the real training data (rows of section.by_distance), 95 % intervals."""
    bins = int(by_distance.distance_bin.max()) + 1
    shown = by_distance.assign(
        x=by_distance.distance_bin, y=100 * by_distance["mean"], low=100 * by_distance.low, high=100 * by_distance.high
    )
    figure, axes = charts.lines(shown)
    axes.set_xticks(range(bins), ["nearest", *map(str, range(2, bins)), "farthest"][:bins])
    axes.set_xlabel(
        "test images in equal parts of each class,\nby distance to the nearest real training image", fontsize=10
    )
    axes.set_ylabel("accuracy, %\n(95 % interval over seeds and images)", fontsize=10)
    charts.stay_possible(axes)
    return figure


def reliability(bins: pd.DataFrame) -> plt.Figure:
    """Accuracy against confidence (rows of section.reliability), seeds pooled."""
    weighted = bins.assign(x=bins.confidence * bins.n_images, y=bins.accuracy * bins.n_images)
    pooled = weighted.groupby(["training_set", "bin_from"], sort=False)[["x", "y", "n_images"]].sum().reset_index()
    pooled = pooled[pooled.n_images >= 10].sort_values("bin_from")
    shown = pooled.assign(x=pooled.x / pooled.n_images, y=pooled.y / pooled.n_images, low=np.nan, high=np.nan)
    order = {key: number for number, key in enumerate(bins.training_set.unique())}
    figure, axes = charts.lines(shown.sort_values("training_set", key=lambda keys: keys.map(order), kind="stable"))
    axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1)
    axes.set_xlabel("confidence (probability of the predicted class)", fontsize=10)
    axes.set_ylabel("accuracy\n(bins of at least 10 images)", fontsize=10)
    return figure
