import itertools

import numpy as np
import pytest
from scipy import stats

from realgap.statistics.exchange import any_hit, exchange, family_p, mean_of, memberships, reached, summary


def test_with_as_many_arrangements_the_p_of_a_mean_is_the_exact_one():
    values = np.random.default_rng(0).normal(size=9) + np.repeat([1.0, 0], [4, 5])
    found = exchange(mean_of(values), 4, 5, seed=0, permutations=20000)
    exact = stats.permutation_test(
        (values[:4], values[4:]), lambda x, y: x.mean() - y.mean(), n_resamples=np.inf, vectorized=False
    ).pvalue
    assert found.value == pytest.approx(values[:4].mean() - values[4:].mean())
    assert found.p_value == pytest.approx(exact, abs=0.015)


def test_pairs_are_swapped_within_pairs_only():
    rows = memberships(6, 6, seed=0, permutations=50, paired=True)
    assert (rows[:, :6] + rows[:, 6:] == 1).all()
    assert rows[0].tolist() == [1] * 6 + [0] * 6
    assert len(np.unique(rows, axis=0)) > 20
    pooled = memberships(6, 3, seed=0, permutations=50)
    assert (pooled.sum(axis=1) == 6).all()
    assert not (pooled[1:, :6] == 1).all(axis=1).all()


def test_pairs_show_a_shift_that_the_scatter_of_images_hides():
    image = 10 * np.random.default_rng(1).normal(size=30)
    values = np.concatenate([image + 0.2, image])
    assert exchange(mean_of(values), 30, 30, 0, paired=True).p_value < 0.05
    assert exchange(mean_of(values), 30, 30, 0).p_value > 0.5


@pytest.mark.parametrize("permutations", [39, 99, 199, 499])
def test_the_interval_and_the_p_never_disagree(permutations):
    rng = np.random.default_rng(permutations)
    for _ in range(300):
        draws = np.round(rng.normal(size=1 + permutations), 1)
        draws[0] = np.round(1.5 * rng.normal() + np.sign(rng.normal()) * 1.2, 1)
        found = summary(draws)
        assert (found.low > 0 or found.high < 0) == (found.p_value <= 0.05), found


def test_an_interval_of_a_mean_is_students():
    values = np.random.default_rng(2).normal(size=200)
    found = exchange(mean_of(values), 100, 100, seed=0, permutations=4999)
    expected = stats.ttest_ind(values[:100], values[100:]).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_a_hit_by_any_image_counts_once():
    hits = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]], bool)
    rows = np.array(list(itertools.product([0.0, 1], repeat=3)))
    expected = [hits[row > 0].any(axis=0).mean() for row in rows]
    np.testing.assert_allclose(any_hit(hits)(rows), expected)


def test_balls_of_recall_are_made_anew_for_each_set():
    points, reference = np.array([0.0, 1, 10, 11])[:, None], np.array([0.5, 3, 10.5])[:, None]
    recall = reached(np.abs(points - reference.T), np.abs(points - points.T), k=1)
    rows = np.array([[1.0, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]])
    assert recall(rows).tolist() == pytest.approx([1 / 3, 1, 2 / 3])
    with pytest.raises(ValueError, match="k: must be below the number of images in a set, 1, got 1"):
        recall(np.array([[1.0, 0, 0, 0]]))


def test_too_few_permutations_and_broken_pairs_are_refused():
    with pytest.raises(ValueError, match="permutations: must be at least 19"):
        memberships(3, 3, 0, 10)
    with pytest.raises(ValueError, match="n_control: must be n_images where they are pairs, 3, got 4"):
        memberships(3, 4, 0, 99, paired=True)


def family(seed, shift=0.0):
    """Four metrics of 60 images of a set and of its control, two nearly the same; the last may be shifted."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(4, 120)) ** 3  # heavy tails
    values[1] = values[0] + 0.1 * values[1]
    values[3, :60] += shift
    rows = memberships(60, 60, seed, 100)
    return family_p(np.stack([mean_of(one)(rows) - mean_of(one)(1 - rows) for one in values], axis=1))


def test_of_metrics_that_do_not_differ_any_is_named_in_a_twentieth_of_the_studies():
    smallest = np.array([family(seed).min() for seed in range(800)])
    assert 0.025 <= (smallest <= 0.05).mean() <= 0.07


def test_a_metric_that_differs_is_named_and_the_others_are_not():
    named = [family(seed, shift=4.0) <= 0.05 for seed in range(40)]
    assert np.mean([one[3] for one in named]) > 0.8
    assert np.mean([one[:3].any() for one in named]) < 0.15
