"""Attacks on what classifiers say and on what is released; pure functions of arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from realgap.privacy import canaries, mechanism, membership
from realgap.streams import ranks, stream

FALSE_POSITIVES = (0.01, 0.001)  # rates at which found members are counted
_GUESSED = 0.25  # share of the planted rows that are guessed to be in, and as many out; chosen before any score is seen
_LENGTH = 10  # of planted rows, times the clip: a mechanism that does not cut them is caught


class Attack(NamedTuple):
    """Scores of an attack on one run, larger for what is rather a member."""

    members: np.ndarray  # float64 (n,)
    non_members: np.ndarray  # float64 (m,)


class Planted(NamedTuple):
    """What was guessed of planted rows, and the epsilon that this proves."""

    right: int
    guesses: int
    rows: int
    epsilon: float


def half(labels: np.ndarray, image_ids: np.ndarray, run: int, seed: int) -> np.ndarray:
    """Which images are in a reference run, bool (n,): half of each class at random, and the other half in the next.

    Runs 2k and 2k + 1 are each other's complement, so each image is in as many runs as it is out of.
    """
    order, chosen = ranks(seed, f"half {run // 2}", image_ids), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen[rows[np.argsort(order[rows], kind="stable")][: len(rows) // 2]] = True
    return chosen if run % 2 == 0 else ~chosen


def confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probability of the true label, float64 (n,), for logits (n, classes)."""
    return np.exp(log_softmax(np.asarray(logits, np.float64), axis=1)[np.arange(len(labels)), labels])


def attacks(probabilities: np.ndarray, member: np.ndarray, population: np.ndarray) -> dict[str, Attack]:
    """LiRA and RMIA on the first run, by all others, and the threshold on the loss that needs no reference.

    probabilities (runs, n): of the true label of each real image; member (runs, n) bool; population (runs, z): of the
    true label of images that are in no run.
    """
    scores = {
        "LiRA": membership.lira(membership.logit_confidence(probabilities[0]), *_others(probabilities, member)),
        "RMIA": membership.rmia(probabilities[0], probabilities[1:], member[1:], population[0], population[1:]),
        "threshold": probabilities[0],
    }
    return {name: Attack(own[member[0]], own[~member[0]]) for name, own in scores.items()}


def _others(probabilities: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return membership.logit_confidence(probabilities[1:]), member[1:]


def planted(
    differences: np.ndarray,
    release: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    *,
    clip: float,
    noise: float,
    rows: int,
    basis: np.ndarray | None,
    draws: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of an attacker on planted rows of one class, and which were in: float64 and bool (rows,).

    differences (n, d): of real images, which the attacker knows; release(rows, draws): the noised sum (d,) of rows.
    noise: its standard deviation as claimed, over the clip. Rows are long, of random directions, each in by a coin.
    The attacker takes the known images away and estimates every coin by the linear estimate of least error (ridge
    regression). draws: for rows, coins and noise.
    """
    directions = differences.shape[1] if basis is None else len(basis)
    chosen = draws.standard_normal((rows, directions))
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True)
    spread = chosen if basis is None else chosen @ basis
    member = draws.random(rows) < 0.5
    known = differences if basis is None else differences @ basis.T
    noisy = release(np.concatenate([differences, _LENGTH * clip * spread[member]]), draws)
    left = (noisy if basis is None else noisy @ basis.T) - mechanism.clipped(known, clip).sum(axis=0)
    centred = left / clip - 0.5 * chosen.sum(axis=0)
    # a coin has variance 1/4; the least ridge keeps more rows than directions solvable
    ridge = max(4 * noise**2, 1e-6) * np.eye(rows)
    return np.linalg.solve(chosen @ chosen.T + ridge, chosen @ centred), member


def proven(scores: np.ndarray, member: np.ndarray, delta: float, confidence: float = 0.95) -> Planted:
    """The epsilon that guesses of planted rows prove; scores and member of all classes (n,)."""
    each = round(_GUESSED * len(scores))
    right, guesses = canaries.guessed(scores, member, each, each)
    epsilon = canaries.epsilon_from_guesses(right, guesses, len(scores), delta, confidence)
    return Planted(right, guesses, len(scores), epsilon)


def coins(seed: int, source: str, name: str) -> np.random.Generator:
    """The draws of planted rows of a class."""
    return stream(seed, "planted", source, name)
