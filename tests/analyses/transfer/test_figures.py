"""The figures of transfer: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from realgap.analyses.transfer import figures


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def test_transfer_shows_scratch_below_the_frozen_stages():
    rows = [
        (key, frozen, fraction, n, mean)
        for key, mean in (("scratch", 0.5), ("diffusion_inversion", 0.7))
        for frozen in (0, 5)
        for fraction, n in ((1.0, 100), (0.5, 50))
    ]
    table = pd.DataFrame(rows, columns=["training_set", "frozen_stages", "fraction", "n_real", "mean"])
    table = table.assign(family_p=np.where(table.frozen_stages == 5, 0.01, 0.2))
    axes = figures.accuracy(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "5", "scratch"]
    assert [text.get_text() for text in axes.texts][:4] == ["70", "70", "70•", "70•"]
