"""Attacks that tell members of a training set from others, by reference runs: LiRA and RMIA, with exact rates.

A reference run is the whole pipeline on a random half of the images, so that each image is in for some runs and out for
others. Scores are larger for what is rather a member.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

FEWEST_RUNS = 2  # of each kind, in and out, that a spread can be estimated from
_LEAST_SPREAD = 1e-6


class Rate(NamedTuple):
    """The share of members that are found, with its exact interval, at a share of non-members that are accused."""

    true_positives: float
    low: float
    high: float
    false_positives: float  # as it came out: at most what was asked
    members: int
    non_members: int


def logit_confidence(probability: np.ndarray) -> np.ndarray:
    """log p / (1 - p) of the probability of the true label, which is near normal over runs; finite for 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), 1e-12, 1 - 1e-12)
    return np.log(p) - np.log1p(-p)


def lira(target: np.ndarray, references: np.ndarray, member: np.ndarray, *, shared: bool = True) -> np.ndarray:
    """Log-likelihood ratio of in to out of each image, float64 (n,): the online likelihood-ratio attack.

    target: `logit_confidence` of the attacked run (n,); references: those of other runs (runs, n); member: whether the
    image was in (runs, n) bool. shared: one spread for all images, better with few runs (below 64). ValueError where an
    image is in or out of fewer than 2 runs. Source: Carlini et al. 2022, arXiv 2112.03570, algorithm 1.
    """
    member = _checked(target, references, member)
    (inside, inside_spread), (outside, outside_spread) = (
        _normal(references, chosen, shared) for chosen in (member, ~member)
    )
    return stats.norm.logpdf(target, inside, inside_spread) - stats.norm.logpdf(target, outside, outside_spread)


def rmia(
    target: np.ndarray,
    references: np.ndarray,
    member: np.ndarray,
    population: np.ndarray,
    population_references: np.ndarray,
    *,
    gamma: float = 1.0,
) -> np.ndarray:
    """Share of population images that each image beats by the factor gamma, float64 (n,), in [0, 1].

    target, references, member: as of `lira`, but probabilities of the true label; population: those of z other images
    that are in no run, of the attacked run (z,) and of the others (runs, z). An image x beats z where
    [p(x) / mean p(x)] / [p(z) / mean p(z)] >= gamma. Source: Zarifzadeh et al. 2024, arXiv 2312.03262, equation 5.
    """
    member = _checked(target, references, member)
    halves = [np.where(chosen, references, 0.0).sum(axis=0) / chosen.sum(axis=0) for chosen in (member, ~member)]
    own = np.asarray(target, np.float64) / np.maximum(np.mean(halves, axis=0), 1e-300)
    others = np.asarray(population, np.float64) / np.maximum(np.mean(population_references, axis=0), 1e-300)
    ranked = np.sort(others)
    return np.searchsorted(ranked, own / gamma, side="right") / len(ranked)


def fewest(false_positives: float) -> int:
    """Non-members without which a rate cannot be resolved: one of them is that share."""
    return int(np.ceil(1 / false_positives - 1e-9))


def found_at(members: np.ndarray, non_members: np.ndarray, false_positives: float, confidence: float = 0.95) -> Rate:
    """The true positive rate at a false positive rate, by scores (n,) and (m,), with Clopper and Pearson's interval.

    The threshold is the highest that accuses at most that share of the non-members; of equal scores all are accused or
    none. ValueError where there are too few non-members: 100 cannot resolve 0.1 %. The interval is over members at this
    threshold; that the threshold was found on these non-members is not in it.
    """
    members, non_members = (np.sort(np.asarray(one, np.float64)) for one in (members, non_members))
    if (needed := fewest(false_positives)) > len(non_members) or not len(members):
        raise ValueError(
            f"a false positive rate of {100 * false_positives:g} % needs at least {needed} images that are no members; "
            f"got {len(non_members)}"
        )
    allowed = int(np.floor(false_positives * len(non_members) + 1e-9))
    threshold = non_members[-allowed - 1]  # scores above it are accused
    hits, alarms = ((one > threshold).sum() for one in (members, non_members))
    low, high = exact_interval(int(hits), len(members), confidence)
    return Rate(hits / len(members), low, high, alarms / len(non_members), len(members), len(non_members))


def p_of_chance(rate: Rate) -> float:
    """The chance of finding so many members or more if members and non-members were of one kind.

    The threshold is an order statistic of the non-members, so the members above it are beta-binomial, exactly.
    """
    hits, alarms = (round(share * n) for share, n in ((rate[0], rate.members), (rate[3], rate.non_members)))
    return float(stats.betabinom.sf(hits - 1, rate.members, alarms + 1, rate.non_members - alarms))


def exact_interval(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share: it holds the truth at least that often, whatever that is."""
    interval = stats.binomtest(hits, total).proportion_ci(confidence, "exact")
    return float(interval.low), float(interval.high)


def roc(members: np.ndarray, non_members: np.ndarray) -> np.ndarray:
    """Rows (false positive rate, true positive rate) at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([members, non_members]))[::-1]
    rates = [1 - np.searchsorted(np.sort(one), thresholds, side="left") / len(one) for one in (non_members, members)]
    return np.concatenate([[[0.0, 0.0]], np.stack(rates, axis=1)])


def _checked(target: np.ndarray, references: np.ndarray, member: np.ndarray) -> np.ndarray:
    member, runs = np.asarray(member, bool), np.asarray(references)
    if runs.shape != member.shape or runs.shape[1:] != np.shape(target):
        raise ValueError(f"references and member: must be (runs, n) for n targets; got {runs.shape}, {member.shape}")
    if (least := min(member.sum(axis=0).min(), (~member).sum(axis=0).min())) < FEWEST_RUNS:
        raise ValueError(f"each image must be in and out of at least {FEWEST_RUNS} reference runs; one has {least}")
    return member


def _normal(references: np.ndarray, chosen: np.ndarray, shared: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each image over the chosen runs; shared: one deviation, pooled over images."""
    counts = chosen.sum(axis=0)
    mean = np.where(chosen, references, 0.0).sum(axis=0) / counts
    squares = np.where(chosen, (references - mean) ** 2, 0.0).sum(axis=0)
    variance = np.full_like(mean, squares.sum() / (counts - 1).sum()) if shared else squares / (counts - 1)
    return mean, np.maximum(np.sqrt(variance), _LEAST_SPREAD)
