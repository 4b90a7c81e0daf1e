"""How much of its accuracy above chance a classifier keeps from the easy images to the hard ones.

A fall from 20 to 10 % with ten classes is a fall to nothing; one from 90 to 70 % keeps three quarters. In points the
first looks smaller, so falls are compared as shares of what is above chance.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from realgap.statistics.crossed import half_width, variances
from realgap.statistics.verdicts import MARGIN, Verdict, verdict


class Kept(NamedTuple):
    """Share of the accuracy above chance that is kept, a training set's minus the reference's."""

    kept: float
    reference_kept: float
    difference: float
    low: float
    high: float
    verdict: Verdict  # better: keeps more than the reference


def kept(
    near: ArrayLike,
    edge: ArrayLike,
    near_reference: ArrayLike,
    edge_reference: ArrayLike,
    chance: float,
    margin: float = MARGIN,
) -> Kept:
    """Kept shares from hits on near images (units, n) and on edge images (units, m), and the same of a reference.

    Kept: (edge - chance) / (near - chance), of means over units. The units are the same for both training sets, the
    images too, and both are samples. Judged by edge * reference's near - near * edge of the reference, which is zero
    where both keep the same share and stays finite at chance. A training set that is not well above chance near the
    real data has nothing to lose: its bounds are nan, the verdict too few to say. chance: in [0, 1), e.g. 0.1 of ten
    classes. Source: Fieller, J. R. Stat. Soc. B 16 (1954), for comparing ratios by their cross product.
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance: must be in [0, 1), got {chance}")
    hits = [np.asarray(one, dtype=np.float64) for one in (near, edge, near_reference, edge_reference)]
    if any(one.ndim != 2 or one.shape != hits[i % 2].shape or len(one) != len(hits[0]) for i, one in enumerate(hits)):
        raise ValueError(f"near, edge: must be (units, images), alike for both, got {[one.shape for one in hits]}")
    above = [one.mean(axis=1) - chance for one in hits]  # each (units,)
    own_near, own_edge, their_near, their_edge = (one.mean() for one in above)
    shares = _ratio(own_edge, own_near), _ratio(their_edge, their_near)
    n_units, scale = len(hits[0]), own_near * their_near
    if n_units < 2 or not (_above_chance(hits[0], chance) and _above_chance(hits[2], chance)):
        return Kept(*shares, shares[0] - shares[1], np.nan, np.nan, Verdict.TOO_FEW)
    # what a unit, or an image, adds to the cross product, by its derivatives at the means
    slopes = -their_edge / scale, their_near / scale, own_edge / scale, -own_near / scale
    of_units = sum(slope * one for slope, one in zip(slopes, above, strict=True)).var(ddof=1) / n_units
    of_images = sum(float(variances(slopes[i] * hits[i] + slopes[i + 2] * hits[i + 2])[1]) for i in (0, 1))
    half = float(half_width(of_units, n_units - 1, of_images))
    difference = float(shares[0] - shares[1])
    low, high = difference - half, difference + half
    return Kept(*shares, difference, low, high, verdict(low, high, n_units, margin))


def _ratio(edge: float, near: float) -> float:
    return float(edge / near) if near > 0 else float("nan")


def _above_chance(hits: np.ndarray, chance: float) -> bool:
    """Whether the accuracy is above chance by three standard errors, so that a ratio over it means something."""
    error = np.sqrt(np.nansum([float(part) for part in variances(hits)]))
    return bool(hits.mean() - chance > 3 * error)
