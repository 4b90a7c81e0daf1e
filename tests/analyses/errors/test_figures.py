"""The figures of errors: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from realgap.analyses.errors import figures


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def test_lines_run_from_near_to_far_even_where_seeds_agree_on_fewer_points():
    rows = [("real", 0, 0.9), ("real", 2, 0.5), ("real", 1, 0.7), ("vae_only", 1, 0.6), ("vae_only", 0, 0.8)]
    table = pd.DataFrame(rows, columns=["training_set", "distance_bin", "mean"])
    table = table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1)
    (axes,) = figures.edge(table).axes
    for line in axes.lines:
        assert (np.diff(line.get_xdata()) > 0).all()
    assert list(axes.lines[0].get_ydata()) == [90, 70, 50]
