"""realgap.report.figures: what is drawn is what the table says, and equal figures are equal files."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from realgap.report import figures, style

ACCURACIES = pd.DataFrame(
    {
        "training_set": ["real"] * 3 + ["real+diffusion_inversion"] * 3 + ["vae_only"],
        "seed": [0, 1, 2, 0, 1, 2, 0],
        "n_test": [1697] * 7,
        "accuracy": [0.90, 0.91, 0.95, 0.96, 0.97, 0.98, 0.5],
    }
)
TABLE = pd.DataFrame(
    {
        "training_set": ["real", "real+diffusion_inversion", "vae_only"],
        "n_real": [100, 100, 0],
        "n_generated": [0, 1000, 100],
        "n_units": [3, 3, 1],
        "accuracy_mean": [0.92, 0.97, 0.5],
        "accuracy_low": [0.85, 0.945, np.nan],
        "accuracy_high": [0.99, 0.995, np.nan],
    }
)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def drawn(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def test_means_seeds_and_intervals_are_drawn_where_they_are():
    (axes,) = figures.accuracy(TABLE, ACCURACIES).axes
    means = [line.get_xdata()[0] for line in drawn(axes, "D")]
    np.testing.assert_allclose(means, [92, 97, 50])
    seeds = [sorted(line.get_xdata()) for line in drawn(axes, "o")]
    np.testing.assert_allclose(seeds[0], [90, 91, 95])
    np.testing.assert_allclose(seeds[1], [96, 97, 98])
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2]
    np.testing.assert_allclose(bars, [[85, 99], [94.5, 99.5]])  # one seed has none


def test_rows_are_named_and_say_how_many_images_they_hold():
    (axes,) = figures.accuracy(TABLE, ACCURACIES).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        "real, n = 100",
        "real + Diffusion Inversion, n = 1,100",
        "VAE only, n = 100",
    ]
    assert "%" in axes.get_xlabel()
    assert "1,697 real test images" in axes.get_xlabel()
    assert "3 seeds" in axes.get_xlabel()
    assert axes.yaxis_inverted()  # the first row on top


def test_a_source_has_its_colour_in_every_figure_and_no_two_share_one():
    assert len(set(style.COLOURS.values())) == len(style.COLOURS)
    (axes,) = figures.accuracy(TABLE, ACCURACIES).axes
    colours = [to_hex(line.get_color()) for line in drawn(axes, "D")]
    assert colours == [style.COLOURS[name].lower() for name in TABLE.training_set]


def test_equal_figures_are_equal_files_and_nothing_stays_open(tmp_path):
    for name in ("one", "two"):
        style.save(figures.accuracy(TABLE, ACCURACIES), tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    assert plt.get_fignums() == []
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert "Diffusion Inversion" in (tmp_path / "one.svg").read_text()  # text stays text
    with Image.open(tmp_path / "one.png") as image:
        assert image.width > 800


def test_samples_show_every_image_in_its_row_and_place():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), np.uint8)  # classes, per class, h, w, RGB
    one, two = figures.samples({"real": images, "Stable Diffusion": images[::-1]}, ["zero", "one"]).axes
    shown = np.asarray(one.images[0].get_array())
    assert shown.shape == (8, 15, 3)
    for row in range(2):
        for column in range(3):
            place = shown[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
            np.testing.assert_array_equal(place, images[row, column])
    np.testing.assert_array_equal(np.asarray(two.images[0].get_array())[:4, :5], images[1, 0])
    # above three images a title of two words would run into the next one
    assert [axes.get_title() for axes in (one, two)] == ["real", "Stable\nDiffusion"]
    wide = figures.samples({"Stable Diffusion": np.repeat(images, 2, axis=1)}, ["zero", "one"]).axes[0]
    assert wide.get_title() == "Stable Diffusion"
    assert [label.get_text() for label in one.get_yticklabels()] == ["zero", "one"]
    assert len(two.get_yticks()) == 0


def test_one_column_of_images_is_enough():
    figure = figures.samples({"real": np.zeros((1, 1, 4, 4, 3), np.uint8)}, ["zero"])
    assert len(figure.axes) == 1


def test_the_overview_shows_both(tmp_path):
    images = np.zeros((2, 3, 4, 4, 3), np.uint8)
    figure = figures.overview({"real": images, "VAE only": images}, ["zero", "one"], TABLE, ACCURACIES)
    one, two, below = figure.axes
    assert [axes.get_title() for axes in (one, two)] == ["real", "VAE only"]
    assert [line.get_xdata()[0] for line in drawn(below, "D")] == [92, 97, 50]
