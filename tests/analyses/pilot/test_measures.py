"""Measures of a pilot on made-up images whose answer is known."""

import numpy as np
import pytest

from realgap.analyses.pilot import measures
from realgap.data import loaders


def noise(n, seed=0, size=32):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def test_grey_images_have_no_colour_and_colours_have_more_the_purer_they_are():
    grey = np.repeat(noise(5)[..., :1], 3, axis=-1)
    assert measures.colourfulness(grey) == pytest.approx(0, abs=1e-9)
    halved = (grey.astype(float) + noise(5)) / 2
    assert (measures.colourfulness(halved) > 0).all()
    assert (measures.colourfulness(halved) < measures.colourfulness(noise(5))).all()


def test_a_red_image_has_the_colourfulness_of_the_published_formula():
    """Of one colour: nothing spreads, rg = 200 and yb = 100, so 0.3 times their length."""
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert measures.colourfulness(red) == pytest.approx(0.3 * np.hypot(200, 100))


def test_a_coder_that_keeps_all_keeps_all_and_one_that_gives_the_mean_keeps_nothing():
    images = noise(4)
    assert measures.variation_kept(images, images) == pytest.approx(1)
    means = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    assert measures.variation_kept(means, images) == pytest.approx(0, abs=1e-9)
    half = images * 0.5 + means * 0.5
    assert measures.variation_kept(half, images) == pytest.approx(0.75)


def test_an_image_of_one_colour_has_no_variation_to_keep():
    assert np.isnan(measures.variation_kept(noise(1), np.full((1, 32, 32, 3), 9, np.uint8))).all()


def test_a_class_of_one_image_is_named():
    with pytest.raises(ValueError, match="must give each class two images for a pilot, got 1"):
        measures.told_right(noise(3), np.array([0, 0, 1]), seed=0)


def test_classes_that_differ_are_told_and_classes_of_noise_are_not():
    labels = np.repeat([0, 1], 40)
    bright = np.clip(noise(80).astype(int) + 60 * labels[:, None, None, None], 0, 255).astype(np.uint8)
    assert measures.told_right(bright, labels, seed=0).mean() > 0.95
    assert 0.3 < measures.told_right(noise(80), labels, seed=0).mean() < 0.7


def test_textures_are_told_though_their_parts_lie_anywhere():
    """Tiles of brick, grass and gravel, 16 of each: pixels alone name 4 to 6 in 10."""
    train = loaders.LOADERS["textures"](None, "train")
    rows = np.concatenate([np.flatnonzero(train.labels == label)[::12] for label in range(3)])
    assert measures.told_right(train.images[rows], train.labels[rows], seed=0).mean() > 0.75
