"""The worth of a training set in real images, on curves whose truth is known."""

import numpy as np
import pytest

from realgap.analyses.learning_curves.measures import worth

COUNTS = [3, 10, 30, 100]


def classifiers(accuracy, rng, draws=10, images=1500, between=0.01, easy=None):
    """(draws, images) bool: draws that differ by `between`, images of which some are easy for all of them."""
    easy = rng.normal(size=images) if easy is None else easy
    shifts = np.log(accuracy / (1 - accuracy)) * 1.35 + rng.normal(size=(draws, 1)) * between * 6
    return rng.random((draws, images)) < 1 / (1 + np.exp(-(shifts + easy)))


def rising(rng, easy):
    """Real images: so many points more for each step of the logarithm."""
    return np.stack([classifiers(0.5 + 0.1 * np.log10(count / 3) * 2, rng, easy=easy) for count in COUNTS])


def test_a_row_as_good_as_some_real_images_is_worth_them():
    rng = np.random.default_rng(0)
    easy = rng.normal(size=1500)
    found = worth(COUNTS, rising(rng, easy), classifiers(0.5 + 0.2 * np.log10(20 / 3), rng, easy=easy))
    assert 12 < found.count < 33
    assert found.low < 20 < found.high


@pytest.mark.long
def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held, lengths = 0, []
    for _ in range(120):
        easy = rng.normal(size=400)
        real = np.stack([classifiers(0.5 + 0.1 * k, rng, 6, 400, 0.02, easy) for k in range(4)])
        # as good as the second count itself
        found = worth(COUNTS, real, classifiers(0.6, rng, 6, 400, 0.02, easy))
        held += found.low <= 10 <= found.high
        lengths.append(found.high / max(found.low, 1))
    assert 0.90 <= held / 120 <= 1.0
    assert np.median(lengths) < 10


def test_beyond_the_ends_a_worth_is_at_most_or_at_least():
    rng = np.random.default_rng(2)
    easy = rng.normal(size=1500)
    real = rising(rng, easy)
    better, worse = (worth(COUNTS, real, classifiers(accuracy, rng, easy=easy)) for accuracy in (0.97, 0.2))
    assert (better.count, better.high) == (100, np.inf)
    assert (worse.count, worse.low) == (3, 0)
    assert better.low >= 100
    assert worse.high <= 3


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"must be \(counts, draws, images\) and \(draws, images\), got"):
        worth(COUNTS, np.zeros((4, 10, 50)), np.zeros((9, 50)))
    with pytest.raises(ValueError, match="must be"):
        worth([3], np.zeros((1, 10, 50)), np.zeros((10, 50)))
