import numpy as np
import pytest

from realgap.statistics.falls import kept
from realgap.statistics.verdicts import Verdict
from tests.benchmarks.made_up import World


def hits(share, images, units=5):
    """The same share of images right in every unit, never the same images."""
    right = np.arange(images) < round(share * images)
    return np.stack([np.roll(right, 37 * unit) for unit in range(units)])


def test_a_fall_to_chance_keeps_less_than_a_larger_fall_from_high_above_it():
    found = kept(hits(0.2, 1000), hits(0.1, 1000), hits(0.9, 1000), hits(0.7, 1000), chance=0.1)
    assert found.kept == pytest.approx(0)
    assert found.reference_kept == pytest.approx(0.75)
    assert found.verdict is Verdict.WORSE


def test_the_same_share_above_chance_is_the_same_fall():
    found = kept(hits(0.5, 1000), hits(0.4, 1000), hits(0.9, 1000), hits(0.7, 1000), chance=0.1)
    assert found.difference == pytest.approx(0)
    assert found.low < 0 < found.high


def test_a_training_set_at_chance_has_nothing_to_lose():
    (other, own), edge = World((0.9, 0.11), (0.1, 0.1), images=300).correct(np.random.default_rng(0), 5), hits(0.1, 300)
    found = kept(own, edge, other, hits(0.7, 300), chance=0.1)
    assert found.verdict is Verdict.TOO_FEW
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("units", [3, 10])
def test_intervals_hold_the_difference_as_often_as_they_say(units):
    near, far = World((0.9, 0.5), (0.1, 0.1), images=300), World((0.7, 0.3), (0.1, 0.1), images=300)
    truth, held = 0.2 / 0.4 - 0.6 / 0.8, 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        (other_near, own_near), (other_far, own_far) = near.correct(rng, units), far.correct(rng, units)
        found = kept(own_near, own_far, other_near, other_far, chance=0.1)
        held += found.low <= truth <= found.high
    assert 0.93 < held / 500 < 0.99


def test_arguments_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"near, edge: must be \(units, images\), alike for both"):
        kept(hits(0.5, 10), hits(0.5, 10), hits(0.5, 20), hits(0.5, 10), 0.1)
    with pytest.raises(ValueError, match=r"chance: must be in \[0, 1\), got 1"):
        kept(*[hits(0.5, 10)] * 4, 1)
