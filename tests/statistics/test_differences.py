import numpy as np
import pytest
from scipy import stats

from realgap.statistics.differences import apart, difference, differences, paired
from tests.benchmarks.made_up import World, alike


def accuracies(seed, deviations, units):
    """Rows (rows, units) that differ by nothing but their own scatter around what a unit does to all."""
    rng = np.random.default_rng(seed)
    own = np.array(deviations)[:, None] * rng.normal(size=(len(deviations), units))
    return np.clip(0.5 + 0.03 * rng.normal(size=units) + own, 0, 1)


def covered(deviations, units, row=1, studies=800):
    hits = 0
    for seed in range(studies):
        found = difference(accuracies(seed, deviations, units), row, 0)
        hits += found.low <= 0 <= found.high
    return hits / studies


def test_two_rows_are_compared_by_a_paired_t_test():
    rows = accuracies(0, [0.01, 0.03], 5)
    found = difference(rows, 1, 0)
    expected = stats.ttest_rel(rows[1], rows[0])
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.inner == pytest.approx(tuple(expected.confidence_interval(0.9)))
    assert found.df == 4


def test_alike_rows_are_judged_by_what_the_additive_model_leaves_over():
    """Made so that every row scatters the same: the residual mean square of a two-way table, by hand."""
    residuals = 0.01 * np.array([[1, -1, 0], [-1, 0, 1], [0, 1, -1]])
    rows = 0.5 + residuals + np.array([0.0, 0.1, 0.2])[:, None] + np.array([0.0, 0.05, -0.02])
    found = differences(rows)[2]
    mean_square = (residuals**2).sum() / 4
    assert found.df == 4
    assert found.pooled_rows == 3
    assert found.value == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(np.sqrt(2 * mean_square / 3))
    assert found.high - found.value == pytest.approx(2.776445 * found.standard_error, rel=1e-6)


def test_other_rows_guard_against_three_units_that_happen_to_agree():
    rows = accuracies(0, [0.01] * 6, 3)
    rows[1] = rows[0] + [0.012, 0.01, 0.008]
    alone, beside = difference(rows[:2], 1, 0), difference(rows, 1, 0)
    assert alone.low > 0.005
    assert beside.low < alone.low
    assert beside.pooled_rows > 2


@pytest.mark.long
@pytest.mark.parametrize("units", [3, 5, 10])
@pytest.mark.parametrize("deviations", [(0.01,) * 6, (0.01, 0.03, 0.01, 0.01, 0.01, 0.01), (0.01, 0.01, 0.01, 0.05)])
def test_intervals_hold_the_truth_as_often_as_they_say(deviations, units):
    assert covered(deviations, units) == pytest.approx(0.95, abs=0.03)


def test_a_noisy_row_leaves_the_intervals_of_quiet_rows_alone():
    quiet, beside = [], []
    for seed in range(60):
        rows = accuracies(seed, [0.01] * 5 + [0.1], 5)
        quiet.append(difference(rows[:5], 1, 0).standard_error)
        beside.append(difference(rows, 1, 0).standard_error)
    assert np.median(beside) == pytest.approx(np.median(quiet), rel=0.2)


def test_test_images_are_part_of_the_interval():
    """Classifiers that never scatter by unit still differ by chance, on as few as 100 images."""
    world = World((0.9, 0.9), (0.0, 0.0), images=100, unit=0.0, image=0.0, row_by_image=3.0)
    hits = {True: 0, False: 0}
    for seed in range(400):
        correct = world.correct(np.random.default_rng(seed), 8)
        for with_images in hits:
            found = difference(correct.mean(axis=2), 1, 0, correct if with_images else None)
            hits[with_images] += found.low <= 0 <= found.high
    assert hits[True] / 400 == pytest.approx(0.95, abs=0.03)
    assert hits[False] / 400 < 0.8


def test_one_unit_gives_a_difference_without_bounds():
    found = differences([[0.9], [0.8]])[1]
    assert found.value == pytest.approx(-0.1)
    assert np.isnan([found.low, found.high, *found.inner, found.standard_error]).all()


def test_bounds_of_a_difference_stay_between_minus_one_and_one():
    found = difference([[0.1, 0.9], [0.9, 0.2]], 1, 0)
    assert (found.low, found.high) == (-1, 1)


def test_rows_that_never_scatter_do_not_break_the_pool():
    found = differences(np.full((4, 3), 0.5))
    assert [(one.low, one.high) for one in found] == [(0, 0)] * 4


def test_paired_numbers_agree_with_paired_accuracies():
    correct = alike(2).correct(np.random.default_rng(5), 4)
    one, other = paired(correct[1], correct[0]), difference(correct.mean(axis=2), 1, 0, correct)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@pytest.mark.parametrize("images", [9, 1_000])
def test_two_rows_that_are_right_about_the_same_images_may_differ_in_another(images):
    hits = np.repeat(np.arange(images)[None] % 3 == 0, 5, axis=0)
    both = np.stack([hits, hits])
    found = difference(both.mean(axis=2), 1, 0, both)
    assert found.value == 0
    assert found.high == pytest.approx(1.96 / (images + 2), rel=1e-3)
    assert paired(hits, hits)[:3] == pytest.approx(found[:3])
    assert paired(hits.astype(float), hits.astype(float)).high == 0  # numbers of another kind: nothing is known of them


def test_only_counted_images_matter_and_a_unit_is_their_mean():
    rng = np.random.default_rng(6)
    values, reference, counted = rng.normal(size=(5, 40)), rng.normal(size=(5, 40)), rng.random((5, 40)) < 0.7
    found = paired(values, reference, counted)
    means = np.array([(v - r)[c].mean() for v, r, c in zip(values, reference, counted, strict=True)])
    assert found.value == pytest.approx(means.mean())
    assert found.unit_sd == pytest.approx(means.std(ddof=1))
    spoiled = np.where(counted, values, np.nan)
    assert paired(spoiled, reference, counted) == found


def test_images_that_no_unit_counts_might_as_well_not_be_there():
    rng = np.random.default_rng(7)
    values, reference = rng.normal(size=(2, 4, 200)) + 0.5 * rng.normal(size=(2, 1, 200))
    counted = np.broadcast_to(np.arange(200) % 4 == 0, (4, 200))
    found, without = paired(values, reference, counted), paired(values[:, ::4], reference[:, ::4])
    assert found.value == pytest.approx(without.value)
    assert found.image_error == pytest.approx(without.image_error, rel=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: differences([[0.9, 93]]), "accuracies: must be"),
        (lambda: differences([0.9, 0.8]), "accuracies: must be"),
        (lambda: differences([[0.9, 0.8]], 0, np.ones((1, 3, 9))), "correct: must be"),
        (lambda: paired(np.ones((2, 3)), np.ones((2, 4))), "values, reference, counted: must be"),
        (lambda: paired(np.ones((2, 3)), np.ones((2, 3)), np.zeros((2, 3))), "values, reference, counted: must be"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("same", [True, False])
def test_of_two_studies_without_pairs_the_interval_holds_the_truth_as_often_as_it_says(same):
    rng, held = np.random.default_rng(3), []
    for _ in range(600):
        hard = [rng.beta(2, 1, 300)] * 2 if same else rng.beta(2, 1, (2, 300))
        skills = rng.normal(0, 0.03, (2, 4))
        one, other = (rng.random((4, 300)) < np.clip(h + s[:, None], 0, 1) for h, s in zip(hard, skills, strict=True))
        found = apart(one, other, same)
        held.append(found.low <= 0 <= found.high)
    assert 0.92 < np.mean(held) < 0.99


def test_two_studies_of_the_same_images_are_judged_by_what_differs_between_them():
    rng = np.random.default_rng(0)
    hard = rng.random(500)
    one, other = (np.tile(rng.random(500) < 0, (5, 1)) | (hard < share) for share in (0.6, 0.55))
    same, strange = (apart(one, other, of) for of in (True, False))
    assert same.value == strange.value == pytest.approx(one.mean() - other.mean())
    assert same.high - same.low < 0.6 * (strange.high - strange.low)


def test_one_unit_of_either_study_has_no_interval():
    found = apart(np.ones((1, 5)), np.zeros((3, 5)), True)
    assert found.value == 1
    assert np.isnan(found.low)
