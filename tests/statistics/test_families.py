import itertools

import numpy as np
import pytest
from scipy import stats

from realgap.statistics import families
from realgap.statistics.families import HOLM, NOTHING, SIGN_FLIPS, sign_flip_p, stand_out
from realgap.statistics.intervals import holm


def nothing_differs(seed, units, cells=30):
    """Cells without an effect, of unequal scatter, which share half of what a unit does."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(units, 1))
    return (shared + rng.normal(size=(units, cells))) * np.linspace(0.2, 3, cells)


@pytest.mark.parametrize(("units", "method"), [(3, HOLM), (5, HOLM), (6, SIGN_FLIPS), (10, SIGN_FLIPS)])
def test_among_cells_without_an_effect_one_is_named_in_a_twentieth_of_the_studies_at_most(units, method):
    found = [stand_out(nothing_differs(seed, units)) for seed in range(600)]
    assert {one.method for one in found} == {method}
    assert np.mean([one.stands_out.any() for one in found]) <= 0.05 + 0.02


@pytest.mark.parametrize("units", [6, 10])
def test_sign_flips_use_up_what_they_are_allowed(units):
    """Else the test above would pass with a test that never speaks."""
    found = [stand_out(nothing_differs(seed, units)).stands_out.any() for seed in range(600)]
    assert np.mean(found) > 0.015


def test_a_planted_cell_is_named_and_no_other():
    for units, size in ((3, 60), (8, 3)):
        differences = np.random.default_rng(units).normal(size=(units, 4, 5)) * 0.5
        differences[:, 2, 3] += size
        found = stand_out(differences)
        assert np.argwhere(found.stands_out).tolist() == [[2, 3]]


def test_sign_flips_agree_with_every_arrangement_written_out():
    cells = np.random.default_rng(0).normal(size=(6, 3)) + [1.2, 0, 0.5]
    t = lambda x: np.abs(stats.ttest_1samp(x, 0).statistic)  # noqa: E731
    observed, flipped = t(cells), [t(cells * np.array(s)[:, None]) for s in itertools.product([1, -1], repeat=6)]
    order = np.argsort(-observed)
    expected, so_far = np.empty(3), 0.0
    for position, cell in enumerate(order):
        rest = order[position:]
        share = np.mean([one[rest].max() >= observed[cell] - 1e-9 for one in flipped])
        expected[cell] = so_far = max(so_far, share)
    np.testing.assert_allclose(sign_flip_p(cells, np.zeros(3)), expected)


def test_few_units_get_students_t_with_holms_correction():
    cells = np.random.default_rng(1).normal(size=(4, 5)) + [9, 0, 0, 0, 0]
    found = stand_out(cells)
    np.testing.assert_allclose(found.p_values, holm(stats.ttest_1samp(cells, 0).pvalue), rtol=1e-3)


def test_the_smallest_p_of_sign_flips_is_said():
    assert families.smallest_p(3) == 0.25
    assert stand_out(nothing_differs(0, 6)).smallest_p == 2 / 64
    assert sign_flip_p(np.ones((6, 1)), np.zeros(1))[0] == 2 / 64


def test_three_equal_counts_are_no_certainty():
    """Two more of 170 images in each of three seeds scatter by nothing, and other images would give other counts."""
    differences = np.zeros((3, 90))
    differences[:, 7] = 2 / 170
    image_variance = np.full(90, 2 / 170**2)
    assert not stand_out(differences, image_variance).stands_out.any()
    assert not stand_out(differences).stands_out.any()
    assert stand_out(differences * 20, image_variance).stands_out.sum() == 1


@pytest.mark.parametrize("units", [3, 8])
def test_what_shared_test_images_do_to_all_units_alike_is_no_effect(units):
    """Units agree perfectly on what these images happen to show: signs alone would call every cell an effect."""
    named = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        differences = rng.normal(size=12) + 0.3 * rng.normal(size=(units, 12))
        named.append(stand_out(differences, np.ones(12)).stands_out.any())
        assert stand_out(differences).stands_out.any() or units == 3
    assert np.mean(named) <= 0.1


def test_cells_that_nobody_has_measured_are_left_out():
    differences = nothing_differs(3, 8, cells=4) * 0.1
    differences[:, 0] += 5
    with_gap = np.hstack([differences, np.full((8, 1), np.nan)])
    found = stand_out(with_gap)
    assert found.stands_out.tolist() == [True, False, False, False, False]
    assert np.isnan(found.p_values[4])
    np.testing.assert_array_equal(found.p_values[:4], stand_out(differences).p_values)


def test_one_unit_says_nothing():
    found = stand_out([[1.0, 2.0]])
    assert found.method == NOTHING
    assert not found.stands_out.any()


def test_many_units_draw_their_signs_and_the_draw_is_fixed():
    cells = nothing_differs(4, 14)
    np.testing.assert_array_equal(stand_out(cells, seed=1).p_values, stand_out(cells, seed=1).p_values)
    assert (stand_out(cells, seed=1).p_values != stand_out(cells, seed=2).p_values).any()
