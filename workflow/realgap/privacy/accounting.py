"""How much noise a guarantee takes, and what several releases give away together; by the library dp-accounting.

A multiplier is the standard deviation of the noise over the sensitivity. Releases on the same images add up. Where
images are apart, such as those of several classes, each image meets one release alone (parallel composition).
"""

import math
from collections.abc import Iterable

import dp_accounting


def multiplier(epsilon: float, delta: float) -> float:
    """The least noise multiplier of the Gaussian mechanism that is (epsilon, delta) differentially private.

    Source: Balle and Wang 2018, arXiv 1805.06530 (the analytic Gaussian mechanism).
    """
    if not (epsilon > 0 and 0 < delta < 1):
        raise ValueError(f"epsilon and delta: must be above 0, and delta below 1; got {epsilon} and {delta}")
    return float(dp_accounting.get_sigma_gaussian(epsilon, delta))


def epsilon(multiplier: float, delta: float) -> float:
    """The epsilon at `delta` of the Gaussian mechanism with this noise multiplier; infinite without noise."""
    return float(dp_accounting.get_epsilon_gaussian(multiplier, delta))


def together(multipliers: Iterable[float]) -> float:
    """The multiplier of one release that gives away as much as these on the same images do; infinite for none.

    Exact for Gaussian noise (Dong, Roth and Su 2022, arXiv 1905.02383, corollary 3.3). It holds too where a later
    release was chosen after an earlier one was seen (Smith and Thakurta 2022, arXiv 2210.17520).
    """
    multipliers = list(multipliers)
    if any(one == 0 for one in multipliers):
        return 0.0
    added = math.fsum(one**-2 for one in multipliers)
    return added**-0.5 if added else math.inf


def apart(multipliers: Iterable[float]) -> float:
    """The multiplier that holds for each image where no image is in two of these releases; infinite for none."""
    return min(multipliers, default=math.inf)
