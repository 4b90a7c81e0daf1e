import numpy as np
import pytest
from scipy import stats

from realgap.statistics.crossed import half_width, of_groups, p_value, variances


def grid(rng, units, items, unit=0.0, item=0.0, both=0.0):
    """Values (units, items) of mean 0 with these deviations."""
    by_unit, by_item = unit * rng.normal(size=(units, 1)), item * rng.normal(size=items)
    return by_unit + by_item + both * rng.normal(size=(units, items))


def test_the_two_parts_add_up_to_the_scatter_of_the_mean_over_many_studies():
    rng = np.random.default_rng(0)
    studies = [grid(rng, 4, 30, unit=0.3, item=0.8, both=1.5) for _ in range(4000)]
    parts = np.array([variances(study) for study in studies])
    means = np.array([study.mean() for study in studies])
    assert parts.sum(axis=1).mean() == pytest.approx(means.var(), rel=0.06)
    assert parts[:, 0].mean() == pytest.approx((0.3**2 + 1.5**2 / 30) / 4, rel=0.05)
    assert parts[:, 1].mean() == pytest.approx(0.8**2 / 30, rel=0.1)


def test_what_units_and_items_do_alone_is_told_apart():
    rng = np.random.default_rng(1)
    of_units, of_items = variances(grid(rng, 5, 40, unit=1))
    assert of_items == pytest.approx(0, abs=1e-12)
    assert of_units > 0
    of_units, of_items = variances(grid(rng, 5, 40, item=1))
    assert of_units == pytest.approx(0, abs=1e-12)
    assert of_items > 0


def test_noise_of_each_unit_and_item_alone_is_not_counted_twice():
    rng = np.random.default_rng(2)
    parts = np.array([variances(grid(rng, 3, 50, both=1)) for _ in range(2000)])
    assert parts[:, 0].mean() == pytest.approx(1 / 150, rel=0.05)
    assert parts[:, 1].mean() < 0.35 / 150  # clipped at 0, so not 0 in the mean


def test_many_cells_at_once_are_the_same_as_each_alone():
    values = np.random.default_rng(3).normal(size=(2, 3, 4, 5))
    for part, alone in zip(
        variances(values), zip(*(variances(one) for one in values.reshape(6, 4, 5)), strict=True), strict=True
    ):
        np.testing.assert_allclose(part.ravel(), alone)


def test_one_unit_knows_its_items_only():
    of_units, of_items = variances([[0.0, 1, 1, 1]])
    assert np.isnan(of_units)
    assert of_items == pytest.approx(0.25 / 4)


@pytest.mark.parametrize("df", [1, 2, 5, 50, 10_000])
def test_without_items_it_is_students_t_far_into_the_tail(df):
    for t in (1, 2, 4, 6):
        assert p_value(t, 1.0, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-3)
    assert half_width(0.25, df) == pytest.approx(stats.t.ppf(0.975, df) / 2, rel=1e-4)


def test_without_units_it_is_the_normal_distribution():
    assert p_value(1.959964, 0.0, 2, 1.0) == pytest.approx(0.05, rel=1e-3)
    assert half_width(0.0, 2, 4.0, confidence=0.9) == pytest.approx(2 * 1.644854, rel=1e-4)
    assert p_value(0.0, 0.0, 2, 0.0) == pytest.approx(1, abs=1e-4)
    assert half_width(0.0, 2, 0.0) == 0


def test_it_agrees_with_a_draw_of_what_the_units_variance_may_be():
    rng = np.random.default_rng(5)
    true = 0.8 * 3 / rng.chisquare(3, 400_000)
    expected = (2 * stats.norm.sf(2.5 / np.sqrt(true + 0.5))).mean()
    assert p_value(2.5, 0.8, 3, 0.5) == pytest.approx(expected, rel=0.01)
    assert p_value(half_width(0.8, 3, 0.5), 0.8, 3, 0.5) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_three_units_that_happen_to_agree_raise_no_more_alarms_than_they_may(ratio):
    rng = np.random.default_rng(6)
    means = rng.normal(size=20_000) * np.sqrt(1 + ratio)
    told = p_value(means, rng.chisquare(2, 20_000) / 2, 2, ratio) <= 0.05
    assert 0.02 < told.mean() < 0.053


def test_values_without_items_are_refused():
    with pytest.raises(ValueError, match=r"values: must be \(..., units, items\), got shape \(3,\)"):
        variances([1.0, 2, 3])


def test_groups_of_one_item_are_the_items_themselves():
    values = np.random.default_rng(0).random((3, 20))
    assert of_groups(values, np.arange(20)) == pytest.approx(values)


def test_the_mean_over_groups_of_any_size_is_that_over_items():
    rng = np.random.default_rng(0)
    values, groups = rng.random((4, 50)), rng.integers(0, 7, 50)
    grouped = of_groups(values, groups)
    assert grouped.shape == (4, len(np.unique(groups)))
    assert grouped.mean(axis=1) == pytest.approx(values.mean(axis=1))


def test_the_variance_is_the_sandwich_of_a_mean_with_clustered_errors():
    """Liang and Zeger 1986: the squared sums of each cluster's residuals, with the factor G / (G - 1)."""
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 12, 80)
    values = rng.random(12)[groups] + 0.3 * rng.random(80)
    sums = [(values - values.mean())[groups == group].sum() for group in np.unique(groups)]
    expected = np.square(sums).sum() / 80**2 * len(sums) / (len(sums) - 1)
    assert variances(of_groups(values[None], groups))[1] == pytest.approx(expected)


def test_intervals_hold_the_truth_where_items_of_a_group_are_alike():
    rng, held = np.random.default_rng(2), {"groups": [], "items": []}
    for _ in range(400):
        sizes = rng.integers(1, 30, 40)
        groups = np.repeat(np.arange(40), sizes)
        hits = rng.random((4, len(groups))) < rng.beta(2, 2, 40)[groups]
        for name, values in (("groups", of_groups(hits, groups)), ("items", hits.astype(float))):
            of_units, of_items = variances(values)
            half = half_width(of_units, 3, of_items)
            held[name].append(abs(hits.mean() - 0.5) < half)
    assert 0.91 < np.mean(held["groups"]) < 0.99
    assert np.mean(held["items"]) < 0.75


def test_a_group_for_each_item_is_asked_for():
    with pytest.raises(ValueError, match="groups: must be one for each of 5 items"):
        of_groups(np.zeros((2, 5)), np.zeros(4))
