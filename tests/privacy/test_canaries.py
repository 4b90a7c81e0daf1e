"""The epsilon that canaries prove: never above the truth too often, near it with enough canaries, zero for chance."""

import math

import numpy as np
import pytest

from realgap.privacy import accounting, canaries


def answered(epsilon, n, rng):
    """Guesses of an attacker on randomised response, the mechanism that gives away most at an epsilon: right ones."""
    return int((rng.random(n) < 1 / (1 + math.exp(-epsilon))).sum())


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 4.0])
def test_the_bound_is_above_the_truth_no_more_often_than_it_says(epsilon):
    rng = np.random.default_rng(0)
    right = [answered(epsilon, 200, rng) for _ in range(400)]
    bound = {one: canaries.epsilon_from_guesses(one, 200, 200, 0.0) for one in set(right)}
    bounds = np.array([bound[one] for one in right])
    assert np.mean(bounds > epsilon) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
    assert np.median(bounds) > 0.45 * epsilon  # and it is no empty bound


def test_more_canaries_prove_more():
    bounds = [canaries.epsilon_from_guesses(int(0.9 * n), n, n, 0.0) for n in (10, 100, 1000, 10_000)]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(math.log(9), abs=0.1)


def test_delta_can_only_explain_more_and_abstaining_costs_nothing_without_it():
    right = [canaries.epsilon_from_guesses(90, 100, 1000, delta) for delta in (0.0, 1e-6, 1e-4, 1e-2)]
    assert right == sorted(right, reverse=True)
    assert right[0] == canaries.epsilon_from_guesses(90, 100, 100, 0.0)


def test_delta_is_weighed_as_in_the_published_code():
    """The sum of the paper's appendix D, written down again: sum of mass v - i .. v - 1 over i."""
    from scipy import stats

    right, guesses, n, delta, epsilon = 70, 80, 500, 1e-4, 1.2
    sure, alpha, mass = 1 / (1 + math.exp(-epsilon)), 0.0, 0.0
    for i in range(1, right + 1):
        mass += stats.binom.pmf(right - i, guesses, sure)
        alpha = max(alpha, mass / i)
    chance = stats.binom.sf(right - 1, guesses, sure) + 2 * n * delta * alpha
    found = canaries.epsilon_from_guesses(right, guesses, n, delta, 1 - chance)
    assert found == pytest.approx(epsilon, abs=1e-4)


@pytest.mark.parametrize(("right", "guesses"), [(0, 0), (5, 10), (55, 100), (0, 100)])
def test_guesses_no_better_than_chance_prove_nothing(right, guesses):
    assert canaries.epsilon_from_guesses(right, guesses, 100, 1e-5) == 0


def test_guesses_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="got 11, 10 and 100"):
        canaries.epsilon_from_guesses(11, 10, 100, 0.0)
    with pytest.raises(ValueError, match="guesses must be at most 3"):
        canaries.guessed(np.zeros(3), np.zeros(3, bool), 2, 2)


def test_the_highest_are_guessed_to_be_in_and_the_lowest_out():
    scores, member = np.array([0.1, 5.0, -3.0, 2.0]), np.array([True, True, False, False])
    assert canaries.guessed(scores, member, 1, 1) == (2, 2)
    assert canaries.guessed(scores, member, 2, 1) == (2, 3)


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_canaries_through_gaussian_noise_stay_below_what_is_claimed_and_those_without_noise_do_not(epsilon):
    """Each canary has a direction of its own, and all are in one sum: one run."""
    rng, n, delta = np.random.default_rng(1), 400, 1e-5
    member = rng.random(n) < 0.5
    for multiplier, holds in ((accounting.multiplier(epsilon, delta), True), (0.05, False)):
        seen = member + multiplier * rng.standard_normal(n)
        right, guesses = canaries.guessed(seen, member, 40, 40)
        assert (canaries.epsilon_from_guesses(right, guesses, n, delta) <= epsilon) == holds


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_rates_of_many_runs_prove_no_more_than_the_truth_and_nearly_all_of_it(epsilon):
    sure, n = 1 / (1 + math.exp(-epsilon)), 100_000
    found = canaries.epsilon_from_rates(round(n * sure), n, round(n * (1 - sure)), n, 0.0)
    assert 0.95 * epsilon < found < epsilon


def test_rates_prove_by_what_is_missed_too():
    few_missed = canaries.epsilon_from_rates(1000, 1000, 500, 1000, 0.0)
    assert few_missed > canaries.epsilon_from_rates(900, 1000, 500, 1000, 0.0) > 0
    assert canaries.epsilon_from_rates(0, 0, 0, 0, 0.0) == 0
