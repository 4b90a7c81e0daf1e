"""The figure of scaling: accuracy against generated images per real one."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from realgap.report import charts


def accuracy(table: pd.DataFrame) -> plt.Figure:
    """Accuracy against generated images per real one (rows of section.table)."""
    shown = table.assign(x=np.log2(table.multiple), y=100 * table["mean"], low=100 * table.low, high=100 * table.high)
    figure, axes = charts.lines(shown)
    multiples = sorted(table.multiple.unique())
    axes.set_xticks(np.log2(multiples), [f"{multiple}" for multiple in multiples])
    axes.set_xlabel("generated images per real one", fontsize=10)
    axes.set_ylabel(f"accuracy, %\n(95 % interval over {int(table.n_seeds.max())} seeds and test images)", fontsize=10)
    charts.stay_possible(axes)
    return figure
