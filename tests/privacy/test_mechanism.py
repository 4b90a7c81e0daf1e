"""The Gaussian mechanism: what one image can move, what an attacker can tell, and that a broken clip is caught."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from realgap.privacy import accounting, canaries, mechanism

CLIP, WIDTH = 0.7, 6
SIZES = st.sampled_from([0.0, 1e-30, 1e-3, 1.0, 1e3, 1e200])


def sums(rows, basis=None):
    """What is released without noise, times the count."""
    normal = np.zeros(WIDTH if basis is None else len(basis))
    how = {"clip": CLIP, "multiplier": 0.0, "neighbours": "add_remove", "count": 1, "basis": basis}
    return mechanism.released(rows, normal, **how).mean


def rows_of(seed, n, size):
    return np.random.default_rng(seed).normal(size=(n, WIDTH)) * size


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 20), SIZES, SIZES)
def test_one_image_moves_the_sum_by_at_most_the_sensitivity_whatever_it_is(seed, n, size, odd):
    rows, (one, other) = rows_of(seed, n, size), rows_of(seed + 1, 2, odd)
    with_one, with_other = (sums(np.vstack([rows, extra])) for extra in (one, other))
    rounding = 1e-13 * n  # of adding n numbers of this size
    added = np.linalg.norm(with_one - sums(rows))
    replaced = np.linalg.norm(with_one - with_other)
    assert added <= mechanism.sensitivity(CLIP, "add_remove") + rounding
    assert replaced <= mechanism.sensitivity(CLIP, "replace_one") + rounding


def test_both_relations_are_reached_so_the_sensitivity_is_no_larger_than_it_must_be():
    far = np.full((1, WIDTH), 100.0)
    assert np.linalg.norm(sums(far)) == pytest.approx(mechanism.sensitivity(CLIP, "add_remove"))
    assert np.linalg.norm(sums(far) - sums(-far)) == pytest.approx(mechanism.sensitivity(CLIP, "replace_one"))


WEIGHTS = st.sampled_from([0.01, 1.0, 30.0])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), SIZES, SIZES, WEIGHTS)
def test_with_the_squares_one_image_moves_all_that_is_summed_by_at_most_the_sensitivity(seed, size, odd, weight):
    rows, others = rows_of(seed, 1, size), rows_of(seed + 1, 1, odd)
    one, other = (mechanism.added(each, CLIP, weight)[0] for each in (rows, others))
    assert np.linalg.norm(one) <= mechanism.sensitivity(CLIP, "add_remove", weight) * (1 + 1e-12)
    for sign in (1, -1):  # images that differ by their sign alone are the farthest of equal squares
        opposite = mechanism.added(sign * others, CLIP, weight)[0]
        assert np.linalg.norm(one - opposite) <= mechanism.sensitivity(CLIP, "replace_one", weight) * (1 + 1e-12)
    assert np.linalg.norm(one - other) <= mechanism.sensitivity(CLIP, "replace_one", weight) * (1 + 1e-12)


def test_the_sensitivity_of_squares_is_no_larger_than_it_must_be():
    far = np.zeros((2, WIDTH))
    far[0, 0], far[1, 1] = 100.0, 100.0
    for weight in (0.01, 30.0):
        one, other = mechanism.added(far, CLIP, weight)
        assert np.linalg.norm(one) == pytest.approx(mechanism.sensitivity(CLIP, "add_remove", weight))
    # with a large weight squares are all, and those of two images are at a right angle at most
    assert np.linalg.norm(one - other) == pytest.approx(mechanism.sensitivity(CLIP, "replace_one", weight), rel=1e-3)


def test_the_spread_along_each_direction_is_found_and_drowns_in_noise_where_it_is_small():
    deviations = np.array([3.0, 1.0, 0.3, 0.0, 0.0, 0.0])
    rows = rows_of(0, 4000, 1.0) * deviations + [1.0, -2.0, 0, 0, 0, 0]
    how = {"clip": 20.0, "neighbours": "replace_one", "count": 4000, "weight": 1.0}
    found = mechanism.released(rows, np.zeros(2 * WIDTH), multiplier=0.0, **how)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0))
    np.testing.assert_allclose(found.deviations, rows.std(axis=0), atol=1e-6)
    noisy = [
        mechanism.released(rows, np.random.default_rng(seed).standard_normal(2 * WIDTH), multiplier=1.0, **how)
        for seed in range(50)
    ]
    spread = np.array([one.deviations for one in noisy])
    np.testing.assert_allclose(spread[:, :2].mean(axis=0), [3.0, 1.0], rtol=0.05)
    assert (spread[:, 3:] == 0).mean() > 0.7  # five in six of normal numbers are below one deviation
    noise = mechanism.sensitivity(20.0, "replace_one", 1.0) / 4000
    assert np.std([one.mean for one in noisy], axis=0).mean() == pytest.approx(noise, rel=0.2)


def test_without_a_weight_nothing_is_said_of_the_spread():
    how = {"clip": CLIP, "multiplier": 0.0, "neighbours": "add_remove", "count": 3}
    assert mechanism.released(rows_of(0, 3, 1.0), np.zeros(WIDTH), **how).deviations is None
    with pytest.raises(ValueError, match="normal: must be a number for each"):
        mechanism.released(rows_of(0, 3, 1.0), np.zeros(WIDTH), **how, weight=1.0)


def test_a_row_is_only_made_shorter_and_a_short_one_stays():
    rows = rows_of(0, 50, 1.0) * np.logspace(-4, 4, 50)[:, None]
    cut = mechanism.clipped(rows, CLIP)
    lengths = np.linalg.norm(rows, axis=1)
    np.testing.assert_array_equal(cut[lengths < CLIP], rows[lengths < CLIP])
    assert (np.linalg.norm(cut, axis=1) <= CLIP).all()
    cosine = (cut * rows).sum(axis=1) / np.linalg.norm(cut, axis=1) / lengths
    np.testing.assert_allclose(cosine, 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_that_failed_adds_nothing(value):
    rows = rows_of(0, 3, 0.1)
    failed = rows.copy()
    failed[1, 2] = value
    np.testing.assert_array_equal(sums(failed), sums(rows[[0, 2]]))


def test_without_images_noise_alone_is_released():
    normal = np.arange(1.0, WIDTH + 1)
    how = {"clip": CLIP, "multiplier": 2.0, "neighbours": "replace_one", "count": 10}
    released = mechanism.released(np.empty((0, WIDTH)), normal, **how).mean
    np.testing.assert_allclose(released, 2.0 * 2 * CLIP * normal / 10)


def test_the_number_that_the_sum_is_divided_by_is_the_public_one():
    rows, zeros = rows_of(0, 3, 0.01), np.zeros(WIDTH)
    how = {"clip": CLIP, "multiplier": 1.0, "neighbours": "add_remove", "count": 50}
    np.testing.assert_allclose(mechanism.released(rows, zeros, **how).mean, rows.sum(axis=0) / 50)


def test_a_basis_takes_the_noise_of_its_directions_alone_and_keeps_what_lies_in_it():
    basis = np.linalg.qr(rows_of(3, WIDTH, 1.0))[0][:2]
    inside = rows_of(4, 5, 0.1)[:, :2] @ basis
    np.testing.assert_allclose(sums(inside, basis), inside.sum(axis=0), atol=1e-12)
    how = {"clip": CLIP, "multiplier": 1.0, "neighbours": "add_remove", "count": 1}
    noise = mechanism.released(np.empty((0, WIDTH)), np.array([3.0, 4.0]), basis=basis, **how).mean
    assert np.linalg.norm(noise) == pytest.approx(5 * CLIP)
    with pytest.raises(ValueError, match="normal: must be a number for each of 2 directions"):
        mechanism.released(inside, np.zeros(WIDTH), basis=basis, **how)


def test_a_public_basis_finds_the_directions_that_images_differ_from_their_start_in():
    hidden = np.linalg.qr(rows_of(5, WIDTH, 1.0))[0][:3]
    public = (rows_of(6, 40, 1.0)[:, :3] + [5.0, 0.0, 0.0]) @ hidden
    basis = mechanism.public_basis(public, 5)
    assert basis.shape == (3, WIDTH)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(public @ basis.T @ basis, public, atol=1e-9)
    first = mechanism.public_basis(public, 1)
    assert abs(first @ hidden[0])[0] > 0.95  # along the mean, which a sum is along


def test_another_relation_is_one_line():
    with pytest.raises(ValueError, match="^neighbours: must be one of add_remove, replace_one; got 'some'$"):
        mechanism.sensitivity(1.0, "some")


def attacked(multiplier, trials, seed=0):
    """What an attacker sees who knows all but whether the one odd image is in, and whether it was: (trials,) each."""
    rng = np.random.default_rng(seed)
    member = rng.random(trials) < 0.5
    odd = np.zeros((1, WIDTH))
    odd[0, 0] = 100.0
    how = {"clip": CLIP, "multiplier": multiplier, "neighbours": "add_remove", "count": 1}
    seen = [mechanism.released(odd[:is_in], rng.standard_normal(WIDTH), **how).mean[0] for is_in in member.astype(int)]
    return np.array(seen), member


def proven(seen, member, threshold, delta):
    """The epsilon that accusing above a threshold proves at 95 %."""
    accused = seen > threshold
    counts = (accused & member).sum(), member.sum(), (accused & ~member).sum(), (~member).sum()
    return canaries.epsilon_from_rates(*map(int, counts), delta)


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_an_attacker_who_knows_the_noise_cannot_beat_the_bound(epsilon):
    multiplier = accounting.multiplier(epsilon, 1e-5)
    seen, member = attacked(multiplier, 4000)
    assert max(proven(seen, member, threshold, 1e-5) for threshold in np.linspace(-CLIP, 3 * CLIP, 9)) < epsilon
    # and he does what can be done: he is right as often as the best test of two normals is
    right = ((seen > CLIP / 2) == member).mean()
    assert right == pytest.approx(stats.norm.cdf(0.5 / multiplier), abs=0.025)


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_the_same_attacker_catches_a_clip_that_does_not_cut(epsilon, monkeypatch):
    monkeypatch.setattr(mechanism, "clipped", lambda rows, clip: rows)
    seen, member = attacked(accounting.multiplier(epsilon, 1e-5), 4000)
    assert proven(seen, member, 50.0, 1e-5) > epsilon
