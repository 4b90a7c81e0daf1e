"""The figure of transfer: accuracy by frozen stages and real images."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from realgap.report.figures import name


def accuracy(table: pd.DataFrame) -> plt.Figure:
    """Accuracy by frozen stages and real images (rows of section.compare), a heat map per training set."""
    sns.set_theme(style="white", context="notebook")
    scratch = table[table.training_set == "scratch"].drop_duplicates("fraction").assign(frozen_stages="scratch")
    shown = [key for key in table.training_set.unique() if key != "scratch"]
    figure, grid = plt.subplots(1, len(shown), figsize=(3.9 * len(shown) + 1, 3.9), squeeze=False, layout="constrained")
    low, high = 100 * table["mean"].min(), 100 * table["mean"].max()
    for axes, key in zip(grid[0], shown, strict=True):
        rows = pd.concat([table[table.training_set == key], scratch])
        rows = rows.assign(
            text=[
                f"{100 * mean:.0f}{'•' if family_p <= 0.05 else ''}"
                for mean, family_p in zip(rows["mean"], rows.family_p, strict=True)
            ]
        )
        order = list(dict.fromkeys(rows.frozen_stages))
        values, texts = (
            rows.pivot(index="frozen_stages", columns="n_real", values=what).loc[order] for what in ("mean", "text")
        )
        sns.heatmap(
            100 * values,
            ax=axes,
            annot=texts,
            fmt="",
            cmap="viridis",
            vmin=low,
            vmax=high,
            cbar=False,
            annot_kws={"fontsize": 9},
        )
        axes.set_title(name(key), fontsize=11)
        axes.set(xlabel="real images tuned on", ylabel="frozen stages")
        axes.set_yticklabels(order, rotation=0)
    bar = figure.colorbar(grid[0, 0].collections[0], ax=grid)
    bar.set_label("accuracy, %", fontsize=10)
    return figure
