"""The figures of saliency: differences in focus, and maps over test images."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from realgap.report import charts
from realgap.report.style import name

AXES = {
    "effective_area": "effective area,\nshare of the map",
    "gini": "Gini coefficient",
    "half_maximum_area": "area above half\nthe maximum, share",
    "spread": "spread,\nimage sides",
    "centre_weight": "weight in the\ncentral quarter, share",
}


def focus(compared: pd.DataFrame, reference: str = "real") -> plt.Figure:
    """Differences in each metric of the maps (rows of section.comparison, maps for the true label)."""
    compared = compared[compared.target == "true"]
    series = {"all": "all images, error rate included", "both_right": "images both get right"}
    parts = [compared[compared.stratum == stratum].assign(series=label) for stratum, label in series.items()]
    shown = pd.concat(parts).rename(columns={"difference": "value"})
    facets = {metric: f"{label}\nminus {name(reference)}" for metric, label in AXES.items()}
    return charts.intervals(shown, "metric", facets, zero=0.0, n=f"{int(compared.n_seeds.max())} seeds")


def panels(
    images: Sequence[tuple[str, np.ndarray]], columns: Sequence[tuple[str, Sequence[tuple[np.ndarray, str, bool]]]]
) -> plt.Figure:
    """Test images in rows, training sets in columns: the map over the image, and the prediction.

    images: (title, uint8 (h, w, 3)). columns: (training set, per image (map (h, w) in [0, 1], predicted class,
    whether it is right)).
    """
    sns.set_theme(style="white", context="notebook")
    if not images:
        figure, axes = plt.subplots(figsize=(5, 1))
        axes.axis("off")
        axes.text(0, 0.5, "Fewer than three test images have maps in every training set: nothing to show.")
        return figure
    size = (1.35 * (len(columns) + 1) + 0.6, 1.45 * len(images) + 0.7)
    figure, grid = plt.subplots(len(images), len(columns) + 1, figsize=size, squeeze=False)
    for row, (title, image) in enumerate(images):
        grid[row, 0].imshow(image, interpolation="nearest")
        grid[row, 0].set_ylabel(title.replace(": ", "\n"), fontsize=9, rotation=0, ha="right", va="center")
        for column, (_, cells) in enumerate(columns, start=1):
            heat, predicted, right = cells[row]
            axes = grid[row, column]
            axes.imshow(image.mean(axis=2), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.55)
            axes.set_xlabel(predicted if right else f"{predicted} (wrong)", fontsize=8, labelpad=2)
    for axes, title in zip(grid[0], ["test image", *(name(training_set) for training_set, _ in columns)], strict=True):
        axes.set_title(
            title.replace(" + ", " +\n").replace("Stable ", "Stable\n").replace("Diffusion I", "Diffusion\nI"),
            fontsize=9,
        )
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        sns.despine(ax=axes, left=True, bottom=True)
    figure.tight_layout(h_pad=0.3, w_pad=0.2)
    return figure
