"""The figure of learning curves: accuracy against the number of real images."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from realgap.report import charts


def curves(table: pd.DataFrame) -> plt.Figure:
    """Accuracy against real images of each class, on a logarithmic scale (section.compared)."""
    shown = table.assign(
        x=np.log2(table["per_class"]), y=100 * table["mean"], low=100 * table.low, high=100 * table.high
    )
    figure, axes = charts.lines(shown)
    counts = sorted(table["per_class"].unique())
    axes.set_xticks(np.log2(counts), [f"{count}" for count in counts])
    axes.set_xlabel("real images of each class", fontsize=10)
    axes.set_ylabel(f"accuracy, %\n(95 % interval over {int(table.n_draws.max())} draws)", fontsize=10)
    charts.stay_possible(axes)
    return figure
