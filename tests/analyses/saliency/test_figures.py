"""The figures of saliency: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from realgap.analyses.saliency import figures


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def test_panels_name_wrong_predictions_and_an_empty_choice():
    image = np.zeros((8, 8, 3), np.uint8)
    cells = [(np.zeros((8, 8)), "four", False)]
    figure = figures.panels([("most: nine", image)], [("real", cells), ("vae_only", [(np.ones((8, 8)), "nine", True)])])
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "four (wrong)", "nine"]
    assert "nothing to show" in figures.panels([], []).axes[0].texts[0].get_text()
