"""The figure of learning curves: accuracy against the number of real images."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from realgap.report import charts
from realgap.report.style import name
from realgap.study import recipes


def curves(table: pd.DataFrame) -> plt.Figure:
    """Accuracy against real images of each class, on a logarithmic scale (section.compared).

    Rows of a recipe have a panel of their own, with the real images that they are compared with; a recipe of one row
    stands among those without. So do rows that choose among candidates, with real images and a random pick.
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
    if "picked" in table:
        shown = _beside_picks(shown)
    counts = sorted(table["per_class"].unique())
    figure, panels = charts.panels_of_lines(shown)
    for axes in panels:
        axes.set_xticks(np.log2(counts), [f"{count}" for count in counts])
        axes.set_xlabel("real images of each class", fontsize=10)
        charts.stay_possible(axes)
    figure.supylabel(f"accuracy, % (95 % interval over {int(table.n_draws.max())} draws)", fontsize=10)
    figure.tight_layout()
    return figure


def _beside_picks(shown: pd.DataFrame) -> pd.DataFrame:
    """Each row that chooses in the panel of its random pick, which stands there too, as real images do."""
    chosen = shown.picked.notna()
    parts = [shown[~chosen]]
    for pick, own in shown[chosen].groupby("picked", sort=False):
        beside = shown[shown.training_set.isin([pick, *own.reference])]
        parts.append(pd.concat([beside, own]).assign(panel=f"chosen, and {name(pick)}"))
    return pd.concat(parts)


def _panel(recipe: str) -> str:
    return f"recipe: {recipe.replace('_', ' ')}" if recipe else "as the study trains"
