import numpy as np
import pytest

from realgap.statistics.intervals import share_interval
from realgap.statistics.shares import mean_of_counts, mean_share
from tests.benchmarks.made_up import World


def test_one_unit_has_wilsons_interval():
    correct = np.arange(263) < 81
    assert mean_share([correct]) == pytest.approx(share_interval(81, 263))
    assert mean_of_counts([81], 263) == pytest.approx(share_interval(81, 263))
    assert mean_share([correct], confidence=0.8) == pytest.approx(share_interval(81, 263, 0.8))


@pytest.mark.parametrize("hits", [[0, 0, 0], [5, 5, 5], [20, 20, 20], [0, 20, 10], [19, 20, 20]])
def test_bounds_are_shares_and_never_meet(hits):
    for share, low, high in (mean_of_counts(hits, 20), mean_share(np.arange(20) < np.array(hits)[:, None])):
        assert share == pytest.approx(np.mean(hits) / 20)
        assert 0 <= low <= share <= high <= 1
        assert high - low > 0.05


def test_units_between_which_nothing_scatters_are_not_sure():
    """As many hits in each, and of the images nothing is left but rounding: 5e-18 had made an interval of no width."""
    share, low, high = mean_share([[0, 1, 1, 0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0, 0]])
    assert share == pytest.approx(1 / 3)
    assert (low, high) == pytest.approx(share_interval(3, 9)[-2:], abs=1e-6)


def test_units_that_know_nothing_of_one_another_leave_all_open():
    _, low, high = mean_of_counts([456, 900], 1000)
    assert low < 0.05
    assert high > 0.95


@pytest.mark.parametrize(("accuracy", "images", "units"), [(0.9, 800, 3), (0.99, 150, 5), (0.6, 300, 10)])
def test_intervals_hold_the_accuracy_over_all_units_and_images(accuracy, images, units):
    world = World((accuracy,), (0.15,), images=images, unit=0.0)
    held = 0
    for seed in range(600):
        _, low, high = mean_share(world.correct(np.random.default_rng(seed), units)[0])
        held += low <= accuracy <= high
    assert held / 600 == pytest.approx(0.95, abs=0.03)


def test_counts_alone_give_an_interval_that_is_no_narrower():
    correct = World((0.9,), (0.1,), images=400).correct(np.random.default_rng(1), 5)[0]
    (_, low, high), (_, wider_low, wider_high) = mean_share(correct), mean_of_counts(correct.sum(axis=1), 400)
    assert wider_high - wider_low > high - low


def test_what_is_no_count_is_refused():
    with pytest.raises(ValueError, match=r"hits: must be counts \(units,\), each in 0 to total"):
        mean_of_counts([21], 20)
    with pytest.raises(ValueError, match=r"correct: must be hits \(units, images\)"):
        mean_share([[2.0, 1.0]])
