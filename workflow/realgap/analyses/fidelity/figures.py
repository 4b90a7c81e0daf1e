"""The figures of fidelity: every metric of every set; by class it is report.charts.by_class_heat."""

import matplotlib.pyplot as plt
import pandas as pd

from realgap.report import charts

AXES = {
    "precision": "precision, share",
    "density": "density\n(1: as real images)",
    "recall": "recall, share",
    "coverage": "coverage, share",
}


def metrics(answered: pd.DataFrame, control: str = "real") -> plt.Figure:
    """Every metric of every set (rows of section.answer); the dotted line is the control's."""
    units = {"nearest_distance": "distance to the nearest\nreal image, median"}
    facets = {
        metric: units.get(metric, AXES.get(metric, f"{metric},\nsquared feature units" if "fd" in metric else metric))
        for metric in answered.metric.unique()
    }
    own = answered[answered.source == control].set_index("metric").value
    shown = answered.rename(columns={"source": "training_set"})
    return charts.intervals(
        shown, "metric", facets, zero=own.to_dict(), n="bootstrap over images; dotted: real", columns=4
    )
