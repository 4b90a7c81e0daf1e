"""Attackers with known power are measured right; a broken mechanism is caught, a sound one is not."""

import math

import numpy as np
import pytest

from realgap.analyses.audit import measures
from realgap.privacy import accounting, mechanism, membership


def halves(n=40, runs=8, classes=2):
    labels, ids = np.arange(n) % classes, np.arange(n) * 3
    return labels, np.stack([measures.half(labels, ids, run, seed=0) for run in range(runs)])


def test_each_image_is_in_as_many_runs_as_it_is_out_of():
    labels, member = halves()
    assert (member.sum(axis=0) == 4).all()
    for run in member:
        assert np.bincount(labels[run]).tolist() == [10, 10]
    assert len({run.tobytes() for run in member}) == len(member)


def test_a_half_does_not_depend_on_the_order_of_files_or_on_other_classes():
    labels, ids = np.arange(40) % 2, np.arange(40) * 3
    chosen = set(ids[measures.half(labels, ids, 2, seed=0)])
    order = np.random.default_rng(0).permutation(40)
    assert set(ids[order][measures.half(labels[order], ids[order], 2, seed=0)]) == chosen
    own = labels == 1
    assert set(ids[own][measures.half(labels[own], ids[own], 2, seed=0)]) == {i for i in chosen if i % 2}


def test_an_odd_class_gives_its_odd_image_to_one_of_both_halves():
    labels, ids = np.zeros(5, int), np.arange(5)
    first, second = (measures.half(labels, ids, run, seed=0) for run in (4, 5))
    assert (first.sum(), second.sum()) == (2, 3)
    assert not (first & second).any()


def test_the_probability_of_the_true_label_is_the_softmax():
    logits = np.array([[math.log(3), 0.0], [0.0, 1000.0]], np.float32)
    assert measures.confidence(logits, np.array([0, 1])) == pytest.approx([0.75, 1.0])


def pipelines(leak, n=1200, runs=12, seed=0):
    """Probabilities of runs whose members' log-odds are higher by `leak`, beside images that differ in hardness."""
    rng = np.random.default_rng(seed)
    _, member = halves(n, runs)
    hard = 2 * rng.standard_normal(n)
    odds = hard + leak * member + 0.5 * rng.standard_normal((runs, n))
    others = 2 * rng.standard_normal(400) + 0.5 * rng.standard_normal((runs, 400))
    return [1 / (1 + np.exp(-one)) for one in (odds, others)], member


def test_a_leak_that_hardness_hides_from_a_threshold_is_found_by_reference_runs():
    (probabilities, population), member = pipelines(leak=1.5)
    found = measures.attacks(probabilities, member, population)
    rates = {name: membership.found_at(*own, 0.01).true_positives for name, own in found.items()}
    # of two normal scores 3 standard deviations apart a share of Phi(3 - 2.33) lies above 1 % of the others
    assert rates["LiRA"] == pytest.approx(0.70, abs=0.15)
    assert rates["RMIA"] > 0.2
    assert rates["threshold"] < 0.1


def test_without_a_leak_nothing_is_found():
    chances = []
    for seed in range(40):
        (probabilities, population), member = pipelines(leak=0.0, n=400, runs=6, seed=seed)
        found = measures.attacks(probabilities, member, population)["LiRA"]
        chances.append(membership.p_of_chance(membership.found_at(*found, 0.01)))
    assert np.mean(np.array(chances) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 40)


@pytest.mark.long
def test_the_chance_of_so_many_found_is_that_of_drawing_both_from_one_kind():
    rng = np.random.default_rng(0)
    drawn = [membership.found_at(*rng.standard_normal((2, 200)), 0.01) for _ in range(4000)]
    chances = np.array([membership.p_of_chance(one) for one in drawn])
    for level in (0.05, 0.2):
        # discrete, so at most; and no empty bound
        assert 0.3 * level < np.mean(chances <= level) <= level + 3 * math.sqrt(level / 4000)


def planted(epsilon, *, rows=40, classes=10, d=64, basis=None, broken=None, seed=0):
    """What is proven of a release of normal embeddings by the mechanism, or by a broken one."""
    multiplier = accounting.multiplier(epsilon, 1e-5) if epsilon else 0.0
    how = {"clip": 1.0, "multiplier": multiplier, "neighbours": "add_remove", "count": 1, "basis": basis} | (
        broken or {}
    )
    found = [
        measures.planted(
            np.random.default_rng([seed, label]).standard_normal((30, d)),
            lambda given, draws: (
                mechanism.released(given, draws.standard_normal(d if basis is None else len(basis)), **how).mean
            ),
            clip=1.0,
            noise=multiplier,
            rows=rows,
            basis=basis,
            draws=measures.coins(seed, "source", str(label)),
        )
        for label in range(classes)
    ]
    return measures.proven(*(np.concatenate(part) for part in zip(*found, strict=True)), 1e-5)


@pytest.mark.parametrize("epsilon", [1.0, 3.0, 10.0])
def test_no_more_is_proven_of_a_sound_mechanism_than_it_claims(epsilon):
    bounds = np.array([planted(epsilon, seed=seed).epsilon for seed in range(20)])
    assert (bounds <= epsilon).all()


def test_less_noise_lets_more_be_proven_and_none_nearly_all():
    bounds = [planted(epsilon).epsilon for epsilon in (1.0, 10.0, None)]
    assert bounds == sorted(bounds)
    assert bounds[1] > 0.3
    assert bounds[2] > 3.5  # all of 200 guesses are right


@pytest.mark.parametrize(
    ("broken", "epsilon"), [({"clip": 100.0, "multiplier": 0.01}, 1.0), ({"multiplier": 0.0}, 1.0)]
)
def test_a_broken_clip_or_noise_that_was_forgotten_is_caught(broken, epsilon):
    assert planted(epsilon, broken=broken).epsilon > epsilon


def test_in_a_public_basis_rows_are_planted_along_it():
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 8)))[0].T
    assert planted(None, basis=basis, rows=6).epsilon > 2
    assert planted(1.0, basis=basis, rows=6).epsilon <= 1.0


def test_a_quarter_is_guessed_in_and_a_quarter_out():
    found = planted(None, rows=10, classes=4)
    assert (found.guesses, found.rows) == (20, 40)
