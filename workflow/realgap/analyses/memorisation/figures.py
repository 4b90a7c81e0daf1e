"""The figure of memorisation: ratios of distances; the closest pairs are report.charts.pairs."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from realgap.report.style import line, name


def ratios(by_image: pd.DataFrame) -> plt.Figure:
    """Cumulative distributions of the ratio of distances (rows of section.ratios), a panel per space."""
    sns.set_theme(style="whitegrid", context="notebook")
    spaces = list(by_image.space.unique())
    figure, grid = plt.subplots(1, len(spaces), figsize=(4.6 * len(spaces) + 1.8, 3.8), sharey=True, squeeze=False)
    for axes, space in zip(grid[0], spaces, strict=True):
        for number, (source, rows) in enumerate(by_image[by_image.space == space].groupby("source", sort=False)):
            colour, dashes = line(source, number)
            sns.ecdfplot(
                rows.ratio.clip(0.02, 50), ax=axes, color=colour, linestyle=dashes, linewidth=2, label=name(source)
            )
        axes.axvline(1, color="black", linestyle=":", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlim(0.02, 5)
        axes.set_xticks([0.02, 0.1, 0.5, 1, 2, 5], ["0.02", "0.1", "0.5", "1", "2", "5"])
        axes.set_xlabel(f"distance to the nearest training image\nover nearest held-out image ({space})", fontsize=10)
        axes.set_ylabel("share of images below", fontsize=10)
    n = by_image.groupby(["space", "source"], sort=False).size()
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        fontsize=9,
        title=f"n = {n.min()} to {n.max()} images a set",
        title_fontsize=9,
    )
    sns.despine(figure)
    figure.tight_layout()
    return figure
