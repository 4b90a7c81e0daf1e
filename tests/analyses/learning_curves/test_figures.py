"""The figure of learning curves: rows of a recipe stand in one panel, and every row is drawn once, near its number."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from realgap.analyses.learning_curves import figures

ROWS = ("real", "real+vae_only", "real@long", "real@strong", "real+vae_only@strong", "real+x@strong")
COUNTS = (3, 10, 30)


@pytest.fixture
def figure():
    table = pd.DataFrame(
        {
            "per_class": [count for count in COUNTS for _ in ROWS],
            "training_set": ROWS * len(COUNTS),
            "mean": np.linspace(0.5, 0.9, len(ROWS) * len(COUNTS)),
            "n_draws": 10,
        }
    )
    made = figures.curves(table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1))
    yield made
    plt.close(made)


def drawn(figure):
    """panel -> label -> line."""
    return {
        axes.get_title(): {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
        for axes in figure.axes
        if axes.get_visible()
    }


def test_rows_of_a_recipe_have_a_panel_and_a_recipe_of_one_row_stands_with_the_others(figure):
    assert {panel: list(lines) for panel, lines in drawn(figure).items()} == {
        "as the study trains": ["real", "real + VAE only", "real (long)"],
        "recipe: strong": ["real", "real + VAE only", "real + x"],
    }


def test_a_set_looks_the_same_in_each_panel_and_stands_near_its_numbers(figure):
    first, second = drawn(figure).values()
    for label in ("real", "real + VAE only"):
        one, other = first[label], second[label]
        assert (one.get_color(), one.get_marker()) == (other.get_color(), other.get_marker())
    gap = np.log2(30 / 3) / 2
    for line in (*first.values(), *second.values()):
        assert np.abs(line.get_xdata() - np.log2(COUNTS)).max() < 0.15 * gap
        assert len(line.get_ydata()) == len(COUNTS)


def test_the_legend_names_each_look_once(figure):
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("real", "real + VAE only", "real (long)", "real + x"),
    ]


def test_rows_that_choose_stand_beside_real_images_and_their_own_random_pick():
    rows = ("real", "real+all", "real+picked", "real+useful", "real+other_picked", "real+other_useful")
    picks = {"real+useful": "real+picked", "real+other_useful": "real+other_picked"}
    table = pd.DataFrame({"per_class": [3, 30] * len(rows), "training_set": np.repeat(rows, 2), "mean": 0.8})
    table = table.assign(low=0.7, high=0.9, n_draws=10, reference="real", picked=table.training_set.map(picks))
    made = figures.curves(table)
    assert {panel: list(lines) for panel, lines in drawn(made).items()} == {
        "as the study trains": ["real", "real + all", "real + picked", "real + other picked"],
        "chosen, and real + picked": ["real", "real + picked", "real + useful"],
        "chosen, and real + other picked": ["real", "real + other picked", "real + other useful"],
    }
    plt.close(made)
