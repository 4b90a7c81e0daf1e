"""The figure of learning curves: accuracy against the number of real images."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from realgap.report import charts
from realgap.study import recipes


def curves(table: pd.DataFrame) -> plt.Figure:
    """Accuracy against real images of each class, on a logarithmic scale (section.compared).

    Rows of a recipe have a panel of their own, with the real images that they are compared with; a recipe of one row
    stands among those without.
    """
    rows = Counter(map(recipes.recipe, table.training_set.unique()))
    alone = [key for key in table.training_set if rows[recipes.recipe(key)] == 1]
    shown = table.assign(
        x=np.log2(table["per_class"]),
        y=100 * table["mean"],
        low=100 * table.low,
        high=100 * table.high,
        panel=[_panel("" if key in alone else recipes.recipe(key)) for key in table.training_set],
        line=[key if key in alone else recipes.sources_sum(key) for key in table.training_set],
    )
    counts = sorted(table["per_class"].unique())
    figure, panels = charts.panels_of_lines(shown)
    for axes in panels:
        axes.set_xticks(np.log2(counts), [f"{count}" for count in counts])
        axes.set_xlabel("real images of each class", fontsize=10)
        charts.stay_possible(axes)
    figure.supylabel(f"accuracy, % (95 % interval over {int(table.n_draws.max())} draws)", fontsize=10)
    figure.tight_layout()
    return figure


def _panel(recipe: str) -> str:
    return f"recipe: {recipe.replace('_', ' ')}" if recipe else "as the study trains"
