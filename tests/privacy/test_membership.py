"""LiRA and RMIA on made-up attackers of known rates, and rates that are refused where they cannot be resolved."""

import numpy as np
import pytest
from scipy import stats

from realgap.privacy import membership

RUNS, IMAGES, GAP = 32, 4000, 1.5


@pytest.fixture(scope="module")
def made_up():
    """Confidences N(own mean + GAP if in, 1) of each image; odd rows of the last run are what is attacked."""
    rng = np.random.default_rng(0)
    own = rng.normal(0, 3, IMAGES)  # how easy an image is: hides members from a threshold that all share
    member = rng.random((RUNS + 1, IMAGES)) < 0.5
    return own + GAP * member + rng.standard_normal(member.shape), member, own


@pytest.mark.parametrize("false_positives", [0.01, 0.05])
def test_lira_finds_as_many_as_the_best_test_of_the_made_up_truth_and_a_shared_threshold_does_not(
    made_up, false_positives
):
    confidences, member, _ = made_up
    scores = membership.lira(confidences[-1], confidences[:-1], member[:-1])
    sides = [scores[member[-1]], scores[~member[-1]]]
    rate = membership.found_at(*sides, false_positives)
    best = stats.norm.sf(stats.norm.isf(false_positives) - GAP)
    assert rate.true_positives == pytest.approx(best, abs=0.08)
    assert rate.true_positives < best + 0.04
    assert rate.low < rate.true_positives < rate.high
    shared = membership.found_at(confidences[-1][member[-1]], confidences[-1][~member[-1]], false_positives)
    assert shared.high < rate.low


def test_lira_of_its_own_spreads_needs_more_runs_and_finds_spreads_that_differ():
    rng = np.random.default_rng(1)
    spread = np.where(np.arange(2000) % 2, 0.1, 3.0)
    member = rng.random((129, 2000)) < 0.5
    confidences = spread * rng.standard_normal(member.shape) + 0.5 * member
    rates = []
    for shared in (False, True):
        scores = membership.lira(confidences[-1], confidences[:-1], member[:-1], shared=shared)
        rates.append(membership.found_at(scores[member[-1]], scores[~member[-1]], 0.01).true_positives)
    assert rates[0] > 0.4 > 0.2 > rates[1]  # half of the images are found for sure


def test_where_nothing_is_given_away_no_attack_finds_more_than_it_accuses():
    rng = np.random.default_rng(2)
    member = rng.random((33, 4000)) < 0.5
    confidences = rng.normal(0, 3, 4000) + rng.standard_normal(member.shape)
    probabilities = 1 / (1 + np.exp(-confidences))
    population = 1 / (1 + np.exp(-rng.standard_normal((33, 500))))
    for scores in (
        membership.lira(confidences[-1], confidences[:-1], member[:-1]),
        membership.rmia(probabilities[-1], probabilities[:-1], member[:-1], population[-1], population[:-1]),
    ):
        rate = membership.found_at(scores[member[-1]], scores[~member[-1]], 0.05)
        assert rate.low < 0.05 + 0.02
        assert rate.true_positives == pytest.approx(0.05, abs=0.025)


def test_rmia_finds_members_with_few_runs_and_is_the_share_of_images_that_are_beaten(made_up):
    confidences, member, _ = made_up
    probabilities = 1 / (1 + np.exp(-confidences))
    rng = np.random.default_rng(3)
    population = 1 / (1 + np.exp(-(rng.normal(0, 3, 800) + rng.standard_normal((5, 800)))))
    runs = slice(0, 8)
    enough = np.minimum(member[runs].sum(axis=0), (~member[runs]).sum(axis=0)) >= membership.FEWEST_RUNS
    target, references, inside = probabilities[-1][enough], probabilities[runs][:, enough], member[runs][:, enough]
    scores = membership.rmia(target, references, inside, population[-1], population[:-1])
    attacked = member[-1][enough]
    rate = membership.found_at(scores[attacked], scores[~attacked], 0.05)
    assert rate.low > 0.1  # twice chance
    image, z = 7, population[-1] / population[:-1].mean(axis=0)
    mean = np.mean([references[inside[:, image], image].mean(), references[~inside[:, image], image].mean()])
    assert scores[image] == pytest.approx(np.mean(target[image] / mean / z >= 1.0))


def test_an_image_that_is_in_every_run_is_refused():
    member = np.ones((4, 3), bool)
    with pytest.raises(ValueError, match="in and out of at least 2 reference runs; one has 0"):
        membership.lira(np.zeros(3), np.zeros((4, 3)), member)
    with pytest.raises(ValueError, match="must be \\(runs, n\\) for n targets"):
        membership.lira(np.zeros(4), np.zeros((4, 3)), member)


def test_a_hundred_images_cannot_resolve_a_rate_of_a_thousandth():
    assert [membership.fewest(rate) for rate in (0.001, 0.01, 0.05)] == [1000, 100, 20]
    with pytest.raises(ValueError, match="^a false positive rate of 0.1 % needs at least 1000 .*; got 100$"):
        membership.found_at(np.arange(100), np.arange(100), 0.001)
    membership.found_at(np.arange(100), np.arange(100), 0.01)
    with pytest.raises(ValueError, match="needs at least"):
        membership.found_at(np.empty(0), np.arange(1000), 0.01)


def test_a_rate_never_accuses_more_than_it_was_asked_also_with_equal_scores():
    members, others = np.array([1.0, 2.0, 3.0, 3.0]), np.repeat([0.0, 1.0, 2.0, 3.0], 25)
    for asked in (0.01, 0.1, 0.25, 0.3, 0.5, 0.99):
        rate = membership.found_at(members, others, asked)
        assert rate.false_positives <= asked
    assert membership.found_at(members, others, 0.3).true_positives == 0.5
    assert membership.found_at(members, others, 0.24).true_positives == 0.0


@pytest.mark.parametrize(("truth", "n"), [(0.02, 100), (0.3, 50)])
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(truth, n):
    inside = [low <= truth <= high for low, high in (membership.exact_interval(k, n) for k in range(n + 1))]
    assert stats.binom.pmf(np.arange(n + 1), n, truth)[inside].sum() >= 0.95


def test_the_curve_begins_at_zero_ends_at_one_and_has_every_threshold():
    curve = membership.roc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    np.testing.assert_allclose(curve, [[0, 0], [0, 0.5], [0.5, 1], [1, 1]])


def test_confidences_of_zero_and_one_stay_finite():
    assert np.isfinite(membership.logit_confidence(np.array([0.0, 0.5, 1.0]))).all()
    assert membership.logit_confidence(np.array(0.5)) == 0
