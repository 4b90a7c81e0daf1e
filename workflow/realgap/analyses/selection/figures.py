"""Pictures of what criteria choose: scores of what was kept and of all candidates, and candidates themselves."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from realgap.report import style

MOST_SLOTS = 6  # of the figure of candidates


class Slot(NamedTuple):
    """The candidates of one image that is kept."""

    images: np.ndarray  # uint8 (k, h, w, 3)
    title: str
    kept: Mapping[str, int]  # selection -> which of them


def scores(of: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]) -> plt.Figure:
    """Cumulative curves, a row of panels for each source of candidates, a panel for each score.

    of: source of candidates -> score -> that source or a selection of it -> its values, infinite ones left out.
    """
    rows, columns = len(of), len(next(iter(of.values())))
    size = (3.6 * columns, 2.6 * rows + 0.4)
    figure, all_axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for row, by_score in zip(all_axes, of.values(), strict=True):
        for axes, (score, values_of) in zip(row, by_score.items(), strict=True):
            for number, (name, values) in enumerate(values_of.items()):
                finite = values[np.isfinite(values)]
                if len(np.unique(finite)) > 1:
                    sns.ecdfplot(finite, ax=axes, label=style.name(name), color=f"C{number}", lw=2 if number else 3)
            axes.set_xlabel(score)
            axes.set_ylabel("share of images below")
        row[-1].legend(*row[0].get_legend_handles_labels(), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def candidates(slots: Sequence[Slot]) -> plt.Figure:
    """A row for each slot: its candidates, each with the selections that kept it beneath."""
    rows, columns = len(slots), max(len(slot.images) for slot in slots)
    figure, all_axes = plt.subplots(
        rows, columns, figsize=(1.6 * columns, 1.9 * rows), squeeze=False, layout="constrained"
    )
    for row, slot in zip(all_axes, slots, strict=True):
        for column, axes in enumerate(row):
            axes.set(xticks=[], yticks=[])
            if column >= len(slot.images):
                axes.set_axis_off()
                continue
            axes.imshow(slot.images[column], interpolation="nearest")
            axes.set_xlabel("\n".join(style.name(name) for name, one in slot.kept.items() if one == column), fontsize=6)
        row[0].set_ylabel(slot.title)
    return figure
