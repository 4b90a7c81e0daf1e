"""realgap.report.charts and realgap.report.panels: what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from realgap.report import charts, panels


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
            "number": ["gini"] * 4,
            "series": ["all"] * 2 + ["both"] * 2,
            "value": [0.1, 0.2, 0.3, 0.4],
            "low": [0.0, 0.1, np.nan, 0.35],
            "high": [0.2, 0.3, np.nan, 0.45],
        }
    )
    (axes,) = charts.intervals(frame, "number", {"gini": "Gini"}, zero=0.0, n="3 seeds").axes
    assert diamonds(axes) == [0.1, 0.2, 0.3, 0.4]
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "D"]
    assert faces[:2] == ["white"] * 2
    assert "white" not in faces[2:]
    bars = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "None" and len(line.get_xdata()) == 2]
    assert [0.0, 0.2] in bars
    assert [0.35, 0.45] in bars
    assert len(bars) == 3 + 1  # one has no interval; the dotted line
    assert [label.get_text() for label in axes.get_yticklabels()] == ["VAE only", "Diffusion Inversion"]


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
    first, second = charts.fidelity(answered).axes
    dotted = [[line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] for axes in (first, second)]
    assert dotted == [[30], [0.9]]


def test_lines_run_from_near_to_far_even_where_seeds_agree_on_fewer_points():
    rows = [("real", 0, 0.9), ("real", 2, 0.5), ("real", 1, 0.7), ("vae_only", 1, 0.6), ("vae_only", 0, 0.8)]
    table = pd.DataFrame(rows, columns=["training_set", "distance_bin", "mean"])
    table = table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1)
    (axes,) = charts.edge(table).axes
    for line in axes.lines:
        assert (np.diff(line.get_xdata()) > 0).all()
    assert list(axes.lines[0].get_ydata()) == [90, 70, 50]


def test_a_heat_map_marks_what_excludes_zero():
    values = pd.DataFrame([[0.1, -0.2]], index=["vae_only"], columns=["one", "two"])
    _, axes = plt.subplots()
    charts.heat(axes, values, pd.DataFrame([[False, True]], index=["vae_only"], columns=["one", "two"]), "difference")
    assert [text.get_text() for text in axes.texts] == ["+0.10", "-0.20\n•"]


def test_transfer_shows_scratch_below_the_frozen_stages():
    rows = [
        (key, frozen, fraction, n, mean)
        for key, mean in (("scratch", 0.5), ("diffusion_inversion", 0.7))
        for frozen in (0, 5)
        for fraction, n in ((1.0, 100), (0.5, 50))
    ]
    table = pd.DataFrame(rows, columns=["training_set", "frozen_stages", "fraction", "n_real", "mean"])
    table = table.assign(difference_low=np.where(table.frozen_stages == 5, 0.1, -0.1), difference_high=0.2)
    axes = charts.transfer(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "5", "scratch"]
    assert [text.get_text() for text in axes.texts][:4] == ["70", "70", "70•", "70•"]


def test_panels_name_wrong_predictions_and_an_empty_choice():
    image = np.zeros((8, 8, 3), np.uint8)
    cells = [(np.zeros((8, 8)), "four", False)]
    figure = panels.attention(
        [("most: nine", image)], [("real", cells), ("vae_only", [(np.ones((8, 8)), "nine", True)])]
    )
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "four (wrong)", "nine"]
    assert "nothing to show" in panels.attention([], []).axes[0].texts[0].get_text()


def test_pairs_are_beside_each_other_with_their_distance():
    generated, real = np.full((8, 8, 3), 10, np.uint8), np.full((8, 8, 3), 200, np.uint8)
    axes = panels.pairs({"diffusion_inversion": [(generated, real, 2.5)]}).axes[0]
    shown = axes.images[0].get_array()
    assert (shown[:, :8] == 10).all()
    assert (shown[:, -8:] == 200).all()
    assert axes.get_title() == "2.5"
