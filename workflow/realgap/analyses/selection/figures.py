"""Pictures of what criteria choose: scores of what was kept and of all candidates, and candidates themselves."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from realgap.report import style

MOST_SLOTS = 6  # of the figure of candidates


def scores(of: Mapping[str, Mapping[str, np.ndarray]]) -> plt.Figure:
    """Densities of each score: score -> "all candidates" or a selection -> its values, infinite ones left out."""
    figure, all_axes = plt.subplots(1, len(of), figsize=(3.6 * len(of), 3), squeeze=False, layout="constrained")
    for axes, (score, rows) in zip(all_axes[0], of.items(), strict=True):
        for number, (name, values) in enumerate(rows.items()):
            finite = values[np.isfinite(values)]
            if len(np.unique(finite)) > 1:
                sns.ecdfplot(finite, ax=axes, label=style.name(name), color=f"C{number}", lw=2 if number else 3)
        axes.set_xlabel(score)
        axes.set_ylabel("share of images below")
    handles, labels = all_axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def candidates(slots: Sequence[np.ndarray], kept: Mapping[str, Sequence[int]], titles: Sequence[str]) -> plt.Figure:
    """A row for each slot: its candidates (k, h, w, 3), each with the selections that kept it beneath.

    kept: selection -> which candidate it kept, for each slot; titles: of the slots, their classes.
    """
    rows, columns = len(slots), len(slots[0])
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(1.6 * columns, 1.9 * rows), squeeze=False, layout="constrained"
    )
    for row, (images, title) in enumerate(zip(slots, titles, strict=True)):
        for column, image in enumerate(images):
            axes = all_axes[row, column]
            axes.imshow(image, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            by = [style.name(name) for name, which in kept.items() if which[row] == column]
            axes.set_xlabel("\n".join(by), fontsize=6)
        all_axes[row, 0].set_ylabel(title)
    return figure
