"""One look for every figure: fixed colours per source, units and n on the axes, readable in grey."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from realgap.files import whole

# Okabe & Ito's colours, in order of lightness so that grey print keeps them apart
COLOURS = {
    "real": "#000000",
    "vae_only": "#7f7f7f",
    "stable_diffusion": "#D55E00",
    "diffusion_inversion": "#0072B2",
    "real+stable_diffusion": "#E69F00",
    "resampled": "#b0b0b0",
    "real+diffusion_inversion": "#56B4E9",
}
NAMES = {
    "real": "real",
    "vae_only": "VAE only",
    "stable_diffusion": "Stable Diffusion",
    "diffusion_inversion": "Diffusion Inversion",
    "resampled": "real, resampled",
    "test": "real test images",
}


def name(training_set: str) -> str:
    """A training set's name for readers: "real + Diffusion Inversion"."""
    return " + ".join(NAMES.get(part, part) for part in training_set.split("+"))


def save(figure: plt.Figure, png: str | Path, svg: str | Path) -> None:
    """Write a figure as PNG and SVG and close it; no dates in them, so equal figures are equal files."""
    with whole(png) as beside:
        figure.savefig(beside, dpi=150, bbox_inches="tight", metadata={"Software": None})
    with whole(svg) as beside, plt.rc_context({"svg.hashsalt": "realgap", "svg.fonttype": "none"}):
        figure.savefig(beside, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def accuracy(table: pd.DataFrame, accuracies: pd.DataFrame) -> plt.Figure:
    """Accuracy of each training set: every seed as a dot, mean and 95 % interval beside them."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(8, 0.62 * len(table) + 1.3))
    _draw_accuracy(axes, table, accuracies)
    return figure


def samples(columns: dict[str, np.ndarray], class_names: list[str]) -> plt.Figure:
    """Images of several sources side by side, a row per class.

    columns: title -> uint8 (classes, per_class, h, w, 3).
    """
    sns.set_theme(style="white", context="notebook")
    per_class = next(iter(columns.values())).shape[1]
    size = (0.42 * per_class * len(columns) + 1, 0.42 * len(class_names) + 0.6)
    figure, all_axes = plt.subplots(1, len(columns), figsize=size, squeeze=False)
    _draw_samples(all_axes[0], columns, class_names)
    figure.subplots_adjust(wspace=0.04)
    return figure


def overview(
    columns: dict[str, np.ndarray], class_names: list[str], table: pd.DataFrame, accuracies: pd.DataFrame
) -> plt.Figure:
    """The study in one picture: what the sources look like, and what a classifier learns from them."""
    sns.set_theme(style="whitegrid", context="notebook")
    height = 0.3 * len(class_names) + 0.62 * len(table) + 1.8
    figure = plt.figure(figsize=(10, height))
    above, below = figure.add_gridspec(2, 1, height_ratios=[0.3 * len(class_names), 0.62 * len(table)], hspace=0.15)
    strips = above.subgridspec(1, len(columns), wspace=0.04)
    _draw_samples([figure.add_subplot(cell) for cell in strips], columns, class_names)
    _draw_accuracy(figure.add_subplot(below), table, accuracies)
    return figure


def _draw_accuracy(axes: plt.Axes, table: pd.DataFrame, accuracies: pd.DataFrame) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    for row, entry in enumerate(table.itertuples()):
        colour = COLOURS.get(entry.training_set, "#009E73")
        seeds = 100 * accuracies.loc[accuracies.training_set == entry.training_set, "accuracy"]
        axes.plot(seeds, np.full(len(seeds), row - 0.18), "o", color=colour, alpha=0.5, markersize=4)
        low, mean, high = 100 * entry.accuracy_low, 100 * entry.accuracy_mean, 100 * entry.accuracy_high
        if np.isfinite(low):
            axes.plot([low, high], [row, row], color=colour, linewidth=2)
        axes.plot([mean], [row], "D", color=colour, markersize=7)
        axes.annotate(
            f"{mean:.1f}", (mean, row), (0, -15), textcoords="offset points", ha="center", fontsize=10, bbox=box
        )
    real = 100 * table.loc[table.training_set == "real", "accuracy_mean"].item()
    axes.axvline(real, color=COLOURS["real"], linestyle=":", linewidth=1)
    labels = [f"{name(e.training_set)}\nn = {e.n_real + e.n_generated:,} images" for e in table.itertuples()]
    axes.set_yticks(range(len(table)), labels, fontsize=10)
    axes.set_ylim(len(table) - 0.4, -0.5)
    n_seeds, n_test = int(table.n_seeds.max()), int(accuracies.n_test.max())
    axes.set_xlabel(
        f"accuracy on {n_test:,} real test images, %\n"
        f"(diamond: mean of {n_seeds} seeds; bar: 95 % interval; dots: seeds; dotted line: mean of real)",
        fontsize=10,
    )
    sns.despine(ax=axes, left=True)


def _draw_samples(all_axes: Sequence[plt.Axes], columns: dict[str, np.ndarray], class_names: list[str]) -> None:
    for number, (axes, (title, images)) in enumerate(zip(all_axes, columns.items(), strict=True)):
        rows, n, height, width, channels = images.shape
        grid = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, n * width, channels)
        axes.imshow(grid, interpolation="nearest", aspect="auto")
        axes.set_title(title, fontsize=11)
        axes.grid(False)
        axes.set_xticks([])
        ticks = [(row + 0.5) * height - 0.5 for row in range(rows)]
        axes.set_yticks(ticks if number == 0 else [], class_names if number == 0 else [], fontsize=9)
        for spine in axes.spines.values():
            spine.set_visible(False)
