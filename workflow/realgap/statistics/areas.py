"""The mean AUC over units of scores of the same images: units and images are both samples.

A membership attack's AUC of 0.49 with three seeds in agreement is no finding: another hundred members would have given
another number. DeLong's components say how much.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from realgap.statistics.crossed import half_width, variances
from realgap.statistics.differences import Difference, found


def mean_auc(positive: ArrayLike, negative: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean over units of the AUC, `positive` (units, n) above `negative` (units, m) scores: (auc, low, high).

    Columns are the same images for all units. Bounds lie in [0, 1]: Student's interval of the logit, with the
    sampling of units, of positive and of negative images. One unit: of images alone. An AUC of exactly 0 or 1 is taken
    half a pair inside.
    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), whose components are averaged over units.
    """
    positive, negative = _scores("positive", positive), _scores("negative", negative)
    if len(positive) != len(negative):
        raise ValueError(f"negative: must have the units of positive, {len(positive)}, got {len(negative)}")
    above = [_placements(*sides) for sides in zip(positive, negative, strict=True)]
    of_positive, of_negative = (np.stack([one[side] for one in above]) for side in (0, 1))
    area = float(of_positive.mean())
    of_units = float(variances(of_positive)[0]) if len(positive) > 1 else 0.0
    of_images = float(variances(of_positive)[1] + variances(of_negative)[1])
    smallest = 0.5 / (positive.shape[1] * negative.shape[1])
    inside = float(np.clip(area, smallest, 1 - smallest))
    half = half_width(of_units, max(1, len(positive) - 1), max(of_images, smallest**2), confidence)
    half = float(half) / (inside * (1 - inside))
    low, high = special.expit(special.logit(inside) + np.array([-half, half]))
    return area, min(float(low), area), max(float(high), area)


def difference(
    positive: ArrayLike,
    negative: ArrayLike,
    positive_of_reference: ArrayLike,
    negative_of_reference: ArrayLike,
    paired: bool = True,
) -> Difference:
    """`mean_auc` of scores (units, n) above (units, m) minus that of a reference, over units and images.

    paired: the images are the same ones for both; else all four sides are samples of their own. One unit: its interval
    is of images alone, and n_units says so. Bounds are not clipped.
    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), for AUCs of the same images.
    """
    sides = [_scores("positive", positive), _scores("negative", negative)]
    others = [_scores("positive", positive_of_reference), _scores("negative", negative_of_reference)]
    own, other = ([np.stack(side) for side in zip(*map(_placements, *two), strict=True)] for two in (sides, others))
    each = own[0].mean(axis=1) - other[0].mean(axis=1)
    of_units = float(each.var(ddof=1)) if len(each) > 1 else 0.0
    parts = [one - two for one, two in zip(own, other, strict=True)] if paired else [*own, *other]
    of_images = sum(float(variances(part)[1]) for part in parts)
    return found(float(each.mean()), of_units, max(1, len(each) - 1), len(each), of_images, 2)


def _placements(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the other side that each positive is above, and that each negative is below; ties count half."""
    ordered, other = np.sort(negative), np.sort(positive)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    under = np.searchsorted(other, negative, "left") + np.searchsorted(other, negative, "right")
    return below / (2 * len(negative)), 1 - under / (2 * len(positive))


def _scores(name: str, scores: ArrayLike) -> np.ndarray:
    scores = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if scores.ndim != 2 or scores.shape[1] < 2 or not np.isfinite(scores).all():
        raise ValueError(f"{name}: must be finite scores (units, images) of at least 2 images, got {scores.shape}")
    return scores
