"""The figure of detection: how well each detector tells each set."""

import matplotlib.pyplot as plt
import pandas as pd

from realgap.report import charts


def areas(found: pd.DataFrame) -> plt.Figure:
    """AUC of each detector for each set (rows of section.detections)."""
    shown = found.rename(columns={"source": "training_set", "auc": "value"})
    facets = {
        seen: f"AUC of a classifier on\n{seen if seen == 'pixels' else f'features of {seen}'}"
        for seen in found.sees.unique()
    }
    n = f"{int(found.n_images.iloc[0])} images of each side; dotted: chance"
    return charts.intervals(shown, "sees", facets, zero=0.5, n=n)
