"""realgap.selection.criteria on planted truth: wrong labels, a narrow gaze, bent lines."""

import cv2
import numpy as np
import pytest
from scipy import stats

from realgap.analyses.geometry import measures
from realgap.analyses.saliency import focus
from realgap.data.images import resampled
from realgap.rendering.scenes import render
from realgap.selection import criteria


def logits(probabilities):
    return np.log(np.asarray(probabilities, np.float64))


def test_utility_prefers_high_entropy_within_the_band_as_scipy_has_it():
    p = np.array([[0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.9, 0.05, 0.05]])
    scores = criteria.utility(logits(p), np.zeros(3, int), (0.2, 0.99))
    np.testing.assert_allclose(scores, 1 + stats.entropy(p, axis=1) / np.log(3))
    assert scores[1] > scores[0] > scores[2]


def test_utility_puts_what_is_beside_the_band_below_what_is_in_it_the_nearer_the_better():
    p = np.array([[0.99, 0.005, 0.005], [0.34, 0.33, 0.33], [0.7, 0.2, 0.1], [0.96, 0.02, 0.02]])
    scores = criteria.utility(logits(p), np.zeros(4, int), (0.3, 0.9))
    assert scores[2] > 1
    assert 0 > scores[3] > scores[0]
    assert scores[1] < 0


def test_planted_wrong_labels_are_refused_however_high_their_entropy():
    rng = np.random.default_rng(0)
    said = rng.normal(size=(400, 5))
    labels = said.argmax(axis=1)
    planted = rng.random(400) < 0.2
    labels[planted] = (labels[planted] + rng.integers(1, 5, planted.sum())) % 5
    scores = criteria.utility(said, labels, (0.0, 1.0))
    np.testing.assert_array_equal(np.isneginf(scores), planted)


def gazes(n, width, seed):
    """Maps (n, 8, 8) of one bump each, so wide, somewhere near the middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:8, :8] + 0.5
    cy, cx = rng.normal(4, 0.6, (2, n, 1, 1))
    wide = width * rng.uniform(0.8, 1.25, (n, 1, 1))
    return np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * wide**2)).astype(np.float32)


def numbers(maps):
    return np.stack(list(focus.focus(maps).values()), axis=1)


def attention(maps, real, correct=None):
    correct = np.ones(len(maps), bool) if correct is None else correct
    return criteria.attention(numbers(maps), maps, correct, numbers(real), real)


def test_a_planted_source_of_narrow_gaze_is_told_from_one_that_looks_as_on_real_images():
    real = gazes(80, 2.0, seed=1)
    narrow, usual = attention(gazes(60, 0.7, seed=2), real), attention(gazes(60, 2.0, seed=3), real)
    assert np.mean(usual[:, None] > narrow) > 0.99
    np.testing.assert_allclose(np.mean(attention(real, real)), -1, atol=1e-9)


def test_attention_does_not_prefer_the_narrowest_nor_the_widest():
    real = gazes(80, 2.0, seed=1)
    by_width = [attention(gazes(60, width, seed=4), real).mean() for width in (0.8, 1.4, 2.0, 3.5, 8.0)]
    assert np.argmax(by_width) == 2


def test_an_image_that_is_not_predicted_as_its_label_or_has_an_empty_map_is_refused():
    real, maps = gazes(20, 2.0, seed=1), gazes(4, 2.0, seed=2)
    maps[1] = 0
    scores = attention(maps, real, np.array([True, True, False, True]))
    np.testing.assert_array_equal(np.isneginf(scores), [False, True, True, False])
    assert np.isneginf(attention(maps, real[:2])).all(), "two real maps have no spread"


def test_typicality_is_nearness_to_the_mean_of_the_real_features():
    rng = np.random.default_rng(0)
    real, own = rng.normal(3, 1, (50, 4)).astype(np.float32), rng.normal(0, 4, (9, 4)).astype(np.float32)
    expected = [-np.sqrt(((one - real.mean(axis=0)) ** 2).sum()) for one in own]
    np.testing.assert_allclose(criteria.typicality(own, real), expected, rtol=1e-5)


def lines_of(images):
    found = []
    for image in images:
        named = dict(
            zip(measures.names(image.shape[1]), measures.measure(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)), strict=True)
        )
        found.append([named[name] for name in criteria.MEASURES])
    return np.array(found)


@pytest.mark.long
@pytest.mark.parametrize(("defect", "quantile"), [("bent_lines", 0.95), ("broken_camera", 0.7)])
def test_scenes_with_broken_lines_are_dropped_and_half_of_the_sound_ones_stay(defect, quantile):
    harmless, scenes, broken = (
        np.stack([render("room", first + number, 160, 160, defect=known).image for number in range(n)])
        for first, n, known in ((80_000, 20, None), (70_000, 40, None), (70_000, 40, defect))
    )
    bounds = criteria.bounds(np.stack([lines_of(harmless), lines_of(resampled(harmless))]), quantile)
    sound, crooked = (int((criteria.geometry(lines_of(images), bounds) == 0).sum()) for images in (scenes, broken))
    assert sound / len(scenes) >= 0.5
    assert sound / (sound + crooked) >= 0.9, "precision"


def test_a_number_that_an_image_does_not_have_refuses_nothing():
    assert criteria.geometry(np.array([[np.nan, 1.0], [3.0, np.nan]]), np.array([2.0, 2.0])).tolist() == [0, -np.inf]
    harmless = np.array([[[1.0], [np.nan], [3.0]], [[0.0], [1.0], [2.0]]])
    np.testing.assert_allclose(criteria.bounds(harmless, 0.5), [2.0])


@pytest.mark.parametrize("name", criteria.MEASURES)
def test_what_geometry_looks_at_is_measured(name):
    assert name in measures.names(128)
