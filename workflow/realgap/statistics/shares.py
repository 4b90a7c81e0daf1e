"""Means of shares over units, such as an accuracy or a rate of confusion: bounds in [0, 1], and never zero wide."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from realgap.statistics.crossed import half_width, variances


def mean_share(correct: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean share of hits `correct` (units, images) bool with its interval over both: (share, low, high).

    All units see the same images, or groups of them (crossed.of_groups). Wilson's interval of as many images as would
    be as sure as this mean is. One unit: its images alone are in the interval, and it is Wilson's.
    Source: Korn and Graubard, Survey Methodology 24 (1998); Dean and Pagano, J. Surv. Stat. Methodol. 3 (2015).
    """
    correct = np.asarray(correct, dtype=np.float64)
    if correct.ndim != 2 or 0 in correct.shape or not _shares(correct.mean(axis=1)):
        raise ValueError(f"correct: must be hits (units, images), their means in [0, 1], got shape {correct.shape}")
    n_units, n_images = correct.shape
    share = min(max(float(correct.mean()), 0.0), 1.0)
    of_units, of_images = variances(correct)
    if n_units == 1:
        return _wilson(share, 0.0, n_images, confidence)
    return _sure(share, of_units, of_images, n_units, n_images, confidence)


def above_chance(correct: ArrayLike, chance: float) -> bool:
    """Whether the mean share of hits (units, images) is told from what guessing reaches: its interval lies above."""
    return mean_share(correct)[1] > chance


def mean_of_counts(hits: ArrayLike, total: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """`mean_share` where only the number of hits of each unit (units,) among the same `total` images is known.

    Which images are hit is taken to be the same for all units, so the interval is rather too wide.
    """
    hits = np.asarray(hits, dtype=np.float64)
    if hits.ndim != 1 or not len(hits) or total < 1 or not ((hits >= 0) & (hits <= total)).all():
        raise ValueError(f"hits: must be counts (units,), each in 0 to total, got {hits} of {total}")
    shares = hits / total
    share = float(shares.mean())
    of_images = share * (1 - share) / total
    if len(hits) == 1:
        return _wilson(share, 0.0, total, confidence)
    return _sure(share, shares.var(ddof=1) / len(shares), of_images, len(shares), total, confidence)


def _shares(means: np.ndarray) -> bool:
    return bool(((means >= -1e-9) & (means <= 1 + 1e-9)).all())


def _sure(
    share: float, of_units: float, of_images: float, n_units: int, n_images: int, confidence: float
) -> tuple[float, float, float]:
    half = float(half_width(of_units, n_units - 1, of_images, confidence))
    return _wilson(share, half**2, n_images, confidence)


def _wilson(share: float, squared_half: float, n_images: int, confidence: float) -> tuple[float, float, float]:
    """Wilson's interval of as many images as give `share` an interval of that half width, squared, by the normal one.

    Where nothing scatters, as where all or none are hits, of `n_images`.
    """
    spread = share * (1 - share)
    scatters = squared_half > 1e-15  # less is what rounding leaves of none
    a = squared_half / spread if scatters else special.ndtri((1 + confidence) / 2) ** 2 / n_images
    half = np.sqrt(a * spread + a**2 / 4)
    low, high = (share + a / 2 - half) / (1 + a), (share + a / 2 + half) / (1 + a)
    return share, float(min(max(0.0, low), share)), float(max(min(1.0, high), share))
