import numpy as np
import pytest
from scipy import stats

from realgap.statistics import (
    auc,
    bootstrap_interval,
    holm,
    mean_interval,
    paired_difference,
    share_interval,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_mean_interval_of_a_textbook_sample():
    # t(0.975, 2) = 4.302653, standard error of 1, 2, 3 = 1/sqrt(3)
    assert mean_interval([1, 2, 3]) == pytest.approx((2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)


def test_mean_interval_covers_the_truth_as_often_as_it_says():
    samples = normal(0, 1500, 3) + 5
    bounds = np.array([mean_interval(sample, 0.9)[1:] for sample in samples])
    covered = ((bounds[:, 0] < 5) & (bounds[:, 1] > 5)).mean()
    assert covered == pytest.approx(0.9, abs=0.03)  # a normal interval would cover 0.76 of the time


def test_one_seed_gives_a_mean_without_bounds():
    mean, low, high = mean_interval([0.8])
    assert mean == 0.8
    assert np.isnan([low, high]).all()


def test_pairing_removes_what_the_seed_does_to_both():
    seed_effect = 10 * normal(1, 5)
    noise = 0.01 * normal(2, 5)
    difference, low, high = paired_difference(seed_effect + 0.5 + noise, seed_effect)
    assert low < 0.5 < high
    assert high - low < 0.1
    assert difference == pytest.approx(0.5 + noise.mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "values: must be a 1-d array"),
        (lambda: mean_interval([1, np.nan]), "values: must be finite, got nan"),
        (lambda: mean_interval([1, 2], 95), "confidence: must be between 0 and 1, got 95"),
        (lambda: paired_difference([1, 2], [1]), "reference: must have the length of values, got 1 for 2"),
        (lambda: bootstrap_interval([1], np.mean, 0), "items: must hold at least 2"),
        (lambda: share_interval(3, 2), "successes: must be in"),
        (lambda: share_interval(0, 0), "successes: must be in"),
        (lambda: share_interval(1, 2, method="wald"), "method: must be 'wilson' or 'exact', got 'wald'"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    values = normal(3, 400)
    mean, low, high = bootstrap_interval(values, np.mean, seed=0, resamples=4000)
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.1 * half)


def test_bootstrap_resamples_two_samples_by_themselves():
    first, second = normal(4, 300) + 1, 3 * normal(5, 100)
    _, low, high = bootstrap_interval((first, second), lambda x, y: x.mean() - y.mean(), 0, 3000)
    half = 1.96 * np.sqrt(first.var() / 300 + second.var() / 100)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_bootstrap_keeps_rows_of_an_item_together():
    items = np.repeat(normal(6, 50, 1), 4, axis=1)

    def spread_within_a_row(rows):
        return float(np.ptp(rows, axis=1).max())

    assert bootstrap_interval(items, spread_within_a_row, 0, 50) == (0.0, 0.0, 0.0)


def test_bootstrap_depends_on_its_seed_alone():
    values = normal(7, 30)
    assert bootstrap_interval(values, np.mean, 1, 99) == bootstrap_interval(values, np.mean, 1, 99)
    assert bootstrap_interval(values, np.mean, 1, 99) != bootstrap_interval(values, np.mean, 2, 99)


def test_wilson_and_exact_intervals_of_known_shares():
    # Newcombe (1998), table I: 81 of 263
    assert share_interval(81, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    assert share_interval(81, 263, method="exact")[1:] == pytest.approx((0.2527, 0.3676), abs=5e-5)
    share, low, high = share_interval(0, 20)
    assert share == low == 0
    assert high == pytest.approx(0.1611, abs=5e-5)


@pytest.mark.parametrize("method", ["wilson", "exact"])
def test_a_share_s_interval_is_of_the_confidence_it_was_asked_for(method):
    intervals = [share_interval(30, 100, confidence, method)[1:] for confidence in (0.8, 0.95, 0.99)]
    lows, highs = zip(*intervals, strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
    assert len(set(lows)) == len(set(highs)) == 3


def test_wilsons_interval_solves_its_equation_at_every_confidence():
    for confidence in (0.5, 0.8, 0.99):
        z = stats.norm.ppf((1 + confidence) / 2)
        for bound in share_interval(30, 100, confidence)[1:]:
            assert abs(0.3 - bound) == pytest.approx(z * np.sqrt(bound * (1 - bound) / 100))


def test_auc_is_the_share_of_ordered_pairs():
    positive, negative = np.round(normal(14, 30), 1), np.round(normal(15, 40), 1)
    pairs = positive[:, None] - negative
    assert (pairs == 0).any()
    assert auc(positive, negative) == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert auc([3, 4], [1, 2]) == 1.0


def test_holm_controls_a_family():
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


def test_an_interval_of_paired_seeds_matches_the_paired_t_test():
    x, y = normal(12, 6), normal(13, 6)
    expected = stats.ttest_rel(x, y).confidence_interval(0.9)
    assert paired_difference(x, y, 0.9)[1:] == pytest.approx((expected.low, expected.high))
