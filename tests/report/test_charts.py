"""realgap.report.charts: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from realgap.report import charts


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def diamonds(axes):
    return [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"]


def test_intervals_are_drawn_at_their_values_with_open_and_filled_marks():
    frame = pd.DataFrame(
        {
            "training_set": ["vae_only", "diffusion_inversion"] * 2,
            "metric": ["gini"] * 4,
            "series": ["all"] * 2 + ["both"] * 2,
            "value": [0.1, 0.2, 0.3, 0.4],
            "low": [0.0, 0.1, np.nan, 0.35],
            "high": [0.2, 0.3, np.nan, 0.45],
        }
    )
    (axes,) = charts.intervals(frame, "metric", {"gini": "Gini"}, zero=0.0, n="3 seeds").axes
    assert diamonds(axes) == [0.1, 0.2, 0.3, 0.4]
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "D"]
    assert faces[:2] == ["white"] * 2
    assert "white" not in faces[2:]
    bars = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "None" and len(line.get_xdata()) == 2]
    assert [0.0, 0.2] in bars
    assert [0.35, 0.45] in bars
    assert len(bars) == 3 + 1  # one has no interval; the dotted line
    assert [label.get_text() for label in axes.get_yticklabels()] == ["VAE only", "Diffusion Inversion"]


def test_a_heat_map_marks_what_excludes_zero():
    values = pd.DataFrame([[0.1, -0.2]], index=["vae_only"], columns=["one", "two"])
    _, axes = plt.subplots()
    charts.heat(axes, values, pd.DataFrame([[False, True]], index=["vae_only"], columns=["one", "two"]), "difference")
    assert [text.get_text() for text in axes.texts] == ["+0.10", "-0.20\n•"]


def test_pairs_are_beside_each_other_with_their_distance():
    generated, real = np.full((8, 8, 3), 10, np.uint8), np.full((8, 8, 3), 200, np.uint8)
    axes = charts.pairs({"diffusion_inversion": [(generated, real, 2.5)]}).axes[0]
    shown = axes.images[0].get_array()
    assert (shown[:, :8] == 10).all()
    assert (shown[:, -8:] == 200).all()
    assert axes.get_title() == "2.5"
