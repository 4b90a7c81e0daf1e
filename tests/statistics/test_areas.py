import numpy as np
import pytest

from realgap.statistics.areas import mean_auc
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
