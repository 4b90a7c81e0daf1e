"""The figures of fidelity: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from realgap.analyses.fidelity import figures


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def test_each_metric_has_the_control_s_own_line():
    answered = pd.DataFrame(
        {
            "source": ["real", "vae_only"] * 2,
            "metric": ["fd_resnet18"] * 2 + ["recall"] * 2,
            "value": [30, 40, 0.9, 0.8],
            "low": [20, 30, 0.8, 0.7],
            "high": [40, 50, 1.0, 0.9],
        }
    )
    first, second = figures.metrics(answered).axes
    dotted = [[line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] for axes in (first, second)]
    assert dotted == [[30], [0.9]]
