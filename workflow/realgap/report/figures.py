"""The figures of the study's own page: accuracy, images, cost, and several studies side by side."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from realgap.report.style import COLOURS, OTHER, name
from realgap.report.wording import seeds
from realgap.study import recipes

WIDE_ENOUGH = 4  # images in a row, for a title of two words above them
LETTER_IN = 0.085  # width of a title's letter, inches


def accuracy(table: pd.DataFrame, accuracies: pd.DataFrame) -> plt.Figure:
    """Accuracy of each training set (tables.verdicts): every seed as a dot, mean and 95 % interval beside them."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(6.4, 0.55 * len(table) + 1.2))
    _draw_accuracy(axes, table, accuracies)
    return figure


def accuracy_narrow(table: pd.DataFrame, accuracies: pd.DataFrame) -> plt.Figure:
    """The same for a phone: names above their bars, letters that stay legible at 360 px."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(4.2, 0.85 * len(table) + 1.3))
    _draw_accuracy(axes, table, accuracies)
    for row, label in enumerate(axes.get_yticklabels()):
        axes.annotate(label.get_text(), (0, row - 0.36), xycoords=axes.get_yaxis_transform(), fontsize=10, va="center")
    axes.set_yticks(range(len(table)), [])
    axes.set_ylim(len(table) - 0.4, -0.7)
    axes.set_xlabel(axes.get_xlabel().replace("; ", ";\n").replace("mean of real", "real"), fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    return figure


def strip(rows: dict[str, np.ndarray], class_names: list[str]) -> plt.Figure:
    """One image per class and source: rows are source -> uint8 (classes, h, w, 3), columns the classes."""
    sns.set_theme(style="white", context="notebook")
    images = _apart(np.stack(list(rows.values())))
    n_rows, n, height, width, channels = images.shape
    figure, axes = plt.subplots(figsize=(0.52 * n + 1.8, 0.52 * n_rows + 0.4))
    axes.imshow(images.transpose(0, 2, 1, 3, 4).reshape(n_rows * height, n * width, channels), interpolation="nearest")
    axes.set_yticks([(row + 0.5) * height - 0.5 for row in range(n_rows)], list(rows), fontsize=12)
    turned = {"rotation": 40, "ha": "left"} if max(map(len, class_names)) > 6 else {}
    axes.set_xticks([(column + 0.5) * width - 0.5 for column in range(n)], class_names, fontsize=11, **turned)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    sns.despine(ax=axes, left=True, bottom=True)
    return figure


def gallery(columns: dict[str, np.ndarray], row_names: list[str]) -> plt.Figure:
    """Images of one class: a row per real image, and beside it what each source made of it.

    columns: title -> uint8 (rows, variants, h, w, 3).
    """
    sns.set_theme(style="white", context="notebook")
    counts = [images.shape[1] for images in columns.values()]
    size = (0.6 * sum(counts) + 0.1 * len(counts), 0.6 * len(row_names))
    figure, all_axes = plt.subplots(1, len(columns), figsize=size, squeeze=False, width_ratios=counts)
    _draw_samples(all_axes[0], {title: _apart(images) for title, images in columns.items()}, row_names)
    figure.subplots_adjust(wspace=0.06)
    return figure


def comparison(joined: pd.DataFrame) -> plt.Figure:
    """Difference to real of each training set in several studies; joined: tables with a column study."""
    sns.set_theme(style="whitegrid", context="notebook")
    shown = joined[joined.difference_to_real.notna()]
    training_sets, studies = (list(dict.fromkeys(shown[column])) for column in ("training_set", "study"))
    figure, axes = plt.subplots(figsize=(8, 0.22 * len(training_sets) * (len(studies) + 1) + 1.4))
    for number, (study, group) in enumerate(shown.groupby("study", sort=False)):
        rows = [
            training_sets.index(one) + (number - (len(studies) - 1) / 2) * 0.7 / len(studies)
            for one in group.training_set
        ]
        bounds = 100 * np.stack(
            [group.difference_to_real - group.difference_low, group.difference_high - group.difference_to_real]
        )
        axes.errorbar(
            100 * group.difference_to_real,
            rows,
            xerr=np.nan_to_num(bounds),
            label=study,
            fmt="oDs^vP*Xd<>h"[number % 12],
            color=sns.color_palette("colorblind")[number % 10],
            markersize=6,
        )
    axes.axvline(0, color=COLOURS["real"], linestyle=":", linewidth=1)
    axes.set_yticks(range(len(training_sets)), [name(one) for one in training_sets], fontsize=10)
    axes.invert_yaxis()
    axes.set_xlabel(
        "difference to real, percentage points (bar: 95 % interval over seeds and test images)", fontsize=10
    )
    axes.legend(title="study", fontsize=9, title_fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    sns.despine(ax=axes, left=True)
    return figure


def cost(stages: Sequence[str], job_seconds: Sequence[float]) -> plt.Figure:
    """Job-seconds of each stage as bars, with the numbers beside them."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(7, 0.36 * len(stages) + 1))
    bars = axes.barh(range(len(stages)), job_seconds, color=COLOURS["vae_only"])
    axes.bar_label(
        bars, [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in job_seconds], padding=3, fontsize=10
    )
    axes.set_yticks(range(len(stages)), stages, fontsize=10)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("job-seconds (wall time, summed over the stage's jobs)", fontsize=10)
    sns.despine(ax=axes, left=True)
    return figure


def samples(columns: dict[str, np.ndarray], class_names: list[str]) -> plt.Figure:
    """Images of several sources side by side, a row per class.

    columns: title -> uint8 (classes, per_class, h, w, 3).
    """
    sns.set_theme(style="white", context="notebook")
    per_class = next(iter(columns.values())).shape[1]
    narrow = per_class < WIDE_ENOUGH  # a title beside another would run into it
    if narrow:
        columns = {"\n".join(title.split()): images for title, images in columns.items()}
    size = (0.42 * per_class * len(columns) + 1, 0.42 * len(class_names) + 0.6 + 0.2 * narrow)
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
        colour = COLOURS.get(recipes.sources_sum(entry.training_set), OTHER)
        each = 100 * accuracies.loc[accuracies.training_set == entry.training_set, "accuracy"]
        axes.plot(each, np.full(len(each), row - 0.18), "o", color=colour, alpha=0.5, markersize=4)
        low, mean, high = 100 * entry.accuracy_low, 100 * entry.accuracy_mean, 100 * entry.accuracy_high
        if np.isfinite(low):
            axes.plot([low, high], [row, row], color=colour, linewidth=2)
        axes.plot([mean], [row], "D", color=colour, markersize=7)
        axes.annotate(
            f"{mean:.1f}", (mean, row), (0, -15), textcoords="offset points", ha="center", fontsize=10, bbox=box
        )
    real = 100 * table.loc[table.training_set == "real", "accuracy_mean"].item()
    axes.axvline(real, color=COLOURS["real"], linestyle=":", linewidth=1)
    # a line each: a browser with other fonts would set a second line askew
    labels = [f"{name(e.training_set)}, n = {e.n_real + e.n_generated:,}" for e in table.itertuples()]
    axes.set_yticks(range(len(table)), labels, fontsize=10)
    axes.set_ylim(len(table) - 0.4, -0.5)
    n_units, n_test = int(table.n_units.max()), int(accuracies.n_test.max())
    axes.set_xlabel(
        f"accuracy on {n_test:,} real test images, %; n: training images\n"
        f"(diamond: mean of {seeds(n_units)}; bar: 95 % interval; dots: seeds; dotted line: mean of real)",
        fontsize=10,
    )
    sns.despine(ax=axes, left=True)


def _apart(images: np.ndarray) -> np.ndarray:
    """White edges around images (..., h, w, 3), so that neighbours stay apart."""
    edge = max(1, images.shape[-2] // 32)
    around = [(0, 0)] * (images.ndim - 3) + [(edge, edge), (edge, edge), (0, 0)]
    return np.pad(images, around, constant_values=255)


def _draw_samples(all_axes: Sequence[plt.Axes], columns: dict[str, np.ndarray], class_names: list[str]) -> None:
    wide_in = [all_axes[0].figure.get_figwidth() * axes.get_position().width for axes in all_axes]
    longest_in = [LETTER_IN * max(map(len, title.split("\n"))) for title in columns]
    # titles that would run into each other stand upright
    tight = len(columns) > 1 and any(title > room for title, room in zip(longest_in, wide_in, strict=True))
    turned = {"rotation": 90} if tight else {}
    columns = {title.replace("\n", " ") if turned else title: images for title, images in columns.items()}
    for number, (axes, (title, images)) in enumerate(zip(all_axes, columns.items(), strict=True)):
        rows, n, height, width, channels = images.shape
        grid = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, n * width, channels)
        axes.imshow(grid, interpolation="nearest", aspect="auto")
        axes.set_title(title, fontsize=11, **turned)
        axes.grid(False)
        axes.set_xticks([])
        ticks = [(row + 0.5) * height - 0.5 for row in range(rows)]
        axes.set_yticks(ticks if number == 0 else [], class_names if number == 0 else [], fontsize=9)
        for spine in axes.spines.values():
            spine.set_visible(False)
