"""Accounting: the library against the closed form, and against what other accountants of it say."""

import math

import dp_accounting
import pytest
from scipy import optimize, stats

from realgap.privacy import accounting


def delta_of(multiplier, epsilon):
    """Balle and Wang 2018, theorem 8, written down again."""
    half, shift = 1 / (2 * multiplier), epsilon * multiplier
    return stats.norm.cdf(half - shift) - math.exp(epsilon) * stats.norm.cdf(-half - shift)


@pytest.mark.parametrize(("epsilon", "expected"), [(1, 3.73), (3, 1.39), (10, 0.50)])
def test_the_noise_of_an_epsilon_is_that_of_the_closed_form(epsilon, expected):
    found = accounting.multiplier(epsilon, 1e-5)
    assert found == pytest.approx(expected, abs=0.005)
    assert delta_of(found, epsilon) == pytest.approx(1e-5, rel=1e-6)
    assert delta_of(0.99 * found, epsilon) > 1e-5  # and no smaller one will do


@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("multiplier", [0.4, 1.0, 5.0])
def test_the_epsilon_of_a_noise_is_the_root_of_the_closed_form(multiplier, delta):
    root = optimize.brentq(lambda e: delta_of(multiplier, e) - delta, 0, 200)
    assert accounting.epsilon(multiplier, delta) == pytest.approx(root, rel=1e-6)
    assert accounting.multiplier(root, delta) == pytest.approx(multiplier, rel=1e-6)


def test_releases_on_the_same_images_compose_as_the_library_composes_their_privacy_loss():
    multipliers = [accounting.multiplier(e, 1e-5) for e in (1, 3, 10)]
    accountant = dp_accounting.pld.PLDAccountant(value_discretization_interval=1e-3)
    for one in multipliers:
        accountant.compose(dp_accounting.GaussianDpEvent(one))
    exact = accounting.epsilon(accounting.together(multipliers), 1e-5)
    assert exact == pytest.approx(accountant.get_epsilon(1e-5), rel=5e-3)
    assert 10 < exact < 1 + 3 + 10


def test_the_same_release_twice_is_one_of_less_noise():
    assert accounting.together([2.0, 2.0]) == pytest.approx(2.0 / math.sqrt(2))
    assert accounting.together([2.0]) == pytest.approx(2.0)


def test_no_release_gives_nothing_away_and_one_without_noise_everything():
    assert accounting.together([]) == math.inf
    assert accounting.epsilon(math.inf, 1e-5) == 0
    assert accounting.together([2.0, 0.0]) == 0
    assert accounting.epsilon(0.0, 1e-5) == math.inf


def test_of_images_that_are_apart_the_least_noise_counts():
    assert accounting.apart([3.0, 1.5, 2.0]) == 1.5


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-5), (-1, 1e-5), (1, 0), (1, 1)])
def test_what_is_no_guarantee_is_refused(epsilon, delta):
    with pytest.raises(ValueError, match="epsilon and delta: must be above 0"):
        accounting.multiplier(epsilon, delta)
