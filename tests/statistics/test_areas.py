import numpy as np
import pytest

from realgap.statistics.areas import difference, mean_auc
from realgap.statistics.intervals import auc


def losses(seed, units, members=100, others=500, learned=0.0):
    """Images differ in how hard they are, alike for all units; members' losses are lower by `learned`."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=members + others) + 0.5 * rng.normal(size=(units, members + others))
    return -scores[:, :members] + learned, -scores[:, members:]


def test_it_is_the_mean_of_the_units_auc_ties_included():
    positive, negative = (np.round(side, 1) for side in losses(0, 3, 20, 30))
    expected = np.mean([auc(*sides) for sides in zip(positive, negative, strict=True)])
    assert mean_auc(positive, negative)[0] == pytest.approx(expected)


def test_one_unit_has_delongs_interval():
    """DeLong's variance, from every pair."""
    positive, negative = np.random.default_rng(1).normal(size=60) + 0.5, np.random.default_rng(2).normal(size=90)
    pairs = (positive[:, None] > negative).astype(float)
    variance = pairs.mean(axis=1).var(ddof=1) / 60 + pairs.mean(axis=0).var(ddof=1) / 90
    area, low, high = mean_auc(positive, negative)
    assert area == pytest.approx(pairs.mean())
    assert high - low == pytest.approx(2 * 1.97 * np.sqrt(variance), rel=0.02)


@pytest.mark.parametrize("units", [1, 3, 10])
def test_members_that_were_not_learned_are_told_one_time_in_twenty(units):
    found = [mean_auc(*losses(seed, units)) for seed in range(600)]
    assert np.mean([low > 0.5 or high < 0.5 for _, low, high in found]) == pytest.approx(0.05, abs=0.025)


def test_learned_members_are_told():
    _, low, _ = mean_auc(*losses(3, 3, learned=1.0))
    assert low > 0.6


def test_bounds_stay_in_the_range_of_an_auc_and_never_meet():
    area, low, high = mean_auc([[2.0, 3, 4], [5, 6, 7]], [[0.0, 1], [1, 0]])
    assert area == 1
    assert 0 <= low < 1
    assert high == 1


def test_units_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="negative: must have the units of positive, 2, got 3"):
        mean_auc(np.ones((2, 4)), np.ones((3, 4)))
    with pytest.raises(ValueError, match="positive: must be finite scores"):
        mean_auc([[np.nan, 1]], [[1, 2]])


def scores(seed, units=3, members=80, others=200, shift=0.0):
    """Scores of two classifiers of each unit on the same images, which are easy or hard for both."""
    random = np.random.default_rng(seed)
    image = random.normal(size=members + others) + np.repeat([shift, 0.0], [members, others])
    both = image + 0.7 * random.normal(size=(2, units, members + others))
    return [side for own in both for side in (own[:, :members], own[:, members:])]


def test_the_difference_of_two_areas_is_that_of_their_means():
    own, others, reference, others_of_reference = scores(0, shift=1.0)
    found = difference(own, others, reference, others_of_reference)
    assert found.value == pytest.approx(mean_auc(own, others)[0] - mean_auc(reference, others_of_reference)[0])
    assert found.low < found.value < found.high


def test_classifiers_that_give_away_the_same_are_told_apart_in_a_twentieth_of_the_studies():
    told = [not found.low <= 0 <= found.high for found in (difference(*scores(seed, shift=1.0)) for seed in range(400))]
    assert 0.005 <= np.mean(told) <= 0.075


def test_images_that_both_share_make_a_difference_surer():
    sides = scores(1, units=1)
    shared, apart = (difference(*sides, paired=paired) for paired in (True, False))
    assert shared.value == apart.value
    assert shared.high - shared.low < 0.8 * (apart.high - apart.low)
