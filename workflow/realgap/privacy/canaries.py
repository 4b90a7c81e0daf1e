"""How much a mechanism gives away at least: an epsilon that attacks on planted images prove, beside the one claimed.

A canary is an odd or mislabelled image that is put in, or left out, by a fair coin of its own. An attacker then guesses
which were in. A mechanism of small epsilon does not let many guesses be right; where more are, its claim is wrong.
"""

import math

import numpy as np
from scipy import optimize, stats


def epsilon_from_guesses(right: int, guesses: int, canaries: int, delta: float, confidence: float = 0.95) -> float:
    """The largest epsilon that so many right guesses rule out, from one run with all canaries at once; 0 if none is.

    canaries: how many coins were thrown; guesses: of them, those the attacker was sure enough to guess (the others are
    abstentions). For (epsilon, delta) a guess is right with chance e^epsilon / (1 + e^epsilon) at most, but for a part
    that delta allows. The neighbouring relation is adding or removing one canary.
    Source: Steinke, Nasr and Jagielski 2023, arXiv 2305.08846, theorem 5.2.
    """
    if not 0 <= right <= guesses <= canaries:
        raise ValueError(
            "right guesses must be at most the guesses, and these at most the canaries; got "
            f"{right}, {guesses} and {canaries}"
        )
    beta = 1 - confidence
    if not guesses or _chance(0.0, right, guesses, canaries, delta) >= beta:
        return 0.0
    largest = 1.0
    while _chance(largest, right, guesses, canaries, delta) < beta:
        largest *= 2
        if largest > 1e3:
            return largest
    return float(
        optimize.bisect(lambda one: _chance(one, right, guesses, canaries, delta) - beta, 0.0, largest, xtol=1e-6)
    )


def epsilon_from_rates(
    hits: int, members: int, alarms: int, non_members: int, delta: float, confidence: float = 0.95
) -> float:
    """The epsilon that an attack's rates rule out, over independent runs with and without one canary; 0 if none is.

    hits of members were accused, alarms of non_members. Both rates are bounded exactly, each with half of the doubt.
    Source: Jagielski, Ullman and Oprea 2020, arXiv 2006.07709; Nasr et al. 2021, arXiv 2101.04535.
    """
    half = (1 - confidence) / 2
    found, accused = _least(hits, members, half), _most(alarms, non_members, half)
    missed, passed = _most(members - hits, members, half), _least(non_members - alarms, non_members, half)
    ratios = [(one - delta) / other for one, other in ((found, accused), (passed, missed)) if one > delta and other > 0]
    return max([0.0, *(math.log(ratio) for ratio in ratios)])


def guessed(scores: np.ndarray, member: np.ndarray, in_guesses: int, out_guesses: int) -> tuple[int, int]:
    """(right, guesses) where the highest scores are guessed to be in and the lowest to be out.

    scores, member: float and bool (n,) of the canaries. How many are guessed must be chosen before scores are seen.
    """
    if in_guesses + out_guesses > len(scores):
        raise ValueError(f"guesses must be at most {len(scores)}, the canaries; got {in_guesses} and {out_guesses}")
    order = np.argsort(scores, kind="stable")
    said_in, said_out = order[len(order) - in_guesses :], order[:out_guesses]
    right = np.asarray(member, bool)[said_in].sum() + (~np.asarray(member, bool)[said_out]).sum()
    return int(right), in_guesses + out_guesses


def _chance(epsilon: float, right: int, guesses: int, canaries: int, delta: float) -> float:
    """The most chance that `right` or more guesses are right under (epsilon, delta)."""
    sure = 1 / (1 + math.exp(-epsilon))
    chance = stats.binom.sf(right - 1, guesses, sure)
    if not delta:
        return float(chance)
    # at each i the mass just below, over i: how far delta can help
    i = np.arange(1, right + 1)
    below = stats.binom.cdf(right - 1, guesses, sure) - stats.binom.cdf(right - i - 1, guesses, sure)
    helped = float((below / i).max(initial=0.0))
    return float(min(1.0, chance + 2 * canaries * delta * helped))


def _least(hits: int, total: int, doubt: float) -> float:
    return float(stats.beta.ppf(doubt, hits, total - hits + 1)) if hits else 0.0


def _most(hits: int, total: int, doubt: float) -> float:
    return float(stats.beta.ppf(1 - doubt, hits + 1, total - hits)) if hits < total else 1.0
