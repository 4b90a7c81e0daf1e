"""Means over units (classifiers) and items (test images) when all units are measured on the same items.

More units do not make such a mean surer than its items allow. Variance components say how much of the doubt is
either's: what the units do is estimated from few of them, what hundreds of items do is as good as known. A bootstrap
of three units is far too narrow, and Satterthwaite's degrees of freedom are fooled when three units happen to agree.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

_NODES = ((np.arange(200) + 0.5) / 200) ** 3  # shares of a chi-square below, denser near 0 where tails come from
_WEIGHTS = 3 * ((np.arange(200) + 0.5) / 200) ** 2 / 200


def variances(values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the mean of `values` (..., units, items) due to the units and due to the items, each (...).

    Their sum is the variance of the mean where both are samples. What is particular to a unit on an item is part
    of the first. One unit: the first is nan. One item: the second is nan.
    Source: Cornfield and Tukey, Ann. Math. Statist. 27 (1956): expected mean squares of a crossed design.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(f"values: must be (..., units, items), got shape {values.shape}")
    n_units, n_items = values.shape[-2:]
    by_unit, by_item = values.mean(axis=-1), values.mean(axis=-2)
    of_items = _variance(by_item) / n_items
    if n_units == 1:
        return np.full(values.shape[:-2], np.nan), of_items
    total = _variance(values.reshape(*values.shape[:-2], -1)) * (n_units * n_items - 1)
    both = total - _variance(by_unit) * (n_units - 1) * n_items - _variance(by_item) * (n_items - 1) * n_units
    both = both / ((n_units - 1) * max(1, n_items - 1))
    return _variance(by_unit) / n_units, np.maximum(of_items - np.maximum(both, 0) / (n_units * n_items), 0)


def of_groups(values: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Values (..., items) as values of groups of items, float64 (..., groups): of the same mean, and independent.

    groups: (items,), equal for items that are no samples of their own, such as images of one patient. A group's value
    is the mean, moved by what its items add to it (Taylor linearisation of a mean over groups of unequal size: Cochran,
    Sampling Techniques (1977), ch. 6). It may lie outside the range of the values.
    """
    values = np.asarray(values, dtype=np.float64)
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if codes.shape != values.shape[-1:]:
        raise ValueError(f"groups: must be one for each of {values.shape[-1]} items, got shape {np.shape(groups)}")
    mean = values.mean(axis=-1, keepdims=True)
    order, starts = np.argsort(codes, kind="stable"), np.cumsum(counts) - counts
    return mean + np.add.reduceat((values - mean)[..., order], starts, axis=-1) * (len(counts) / len(codes))


def p_value(mean: ArrayLike, of_units: ArrayLike, df: ArrayLike, of_items: ArrayLike = 0.0) -> np.ndarray:
    """Two-sided p of a mean whose variance is `of_units`, estimated with `df` degrees of freedom, plus `of_items`.

    Student's t where of_items is 0, the normal distribution where of_units is 0. Arguments broadcast; p is 1 where
    both are 0. Source: Behrens 1929 and Fisher, Ann. Eugenics 6 (1935), whose test keeps its level or is conservative;
    Ghosh and Kim, Can. J. Stat. 29 (2001).
    """
    mean, of_units, df, of_items = np.broadcast_arrays(np.abs(mean), of_units, df, of_items)
    error = _errors(of_units, df, of_items)
    t = np.divide(mean[..., None], error, out=np.zeros_like(error), where=error > 1e-12)
    return np.minimum(2 * special.ndtr(-t) @ _WEIGHTS, 1.0)


def half_width(of_units: ArrayLike, df: ArrayLike, of_items: ArrayLike = 0.0, confidence: float = 0.95) -> np.ndarray:
    """Half the width of the interval of such a mean: `p_value` of that mean is what the interval leaves out."""
    of_units, df, of_items = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (of_units, df, of_items)))
    error = np.maximum(_errors(of_units, df, of_items), 1e-150)
    half = special.ndtri((1 + confidence) / 2) * np.sqrt(of_units + of_items)
    for _ in range(20):  # Newton from the left of a convex function
        t = half[..., None] / error
        too_much = 2 * special.ndtr(-t) @ _WEIGHTS - (1 - confidence)
        half = np.maximum(half + too_much / (2 * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) / error @ _WEIGHTS), 0)
    return np.where(of_units + of_items > 0, half, 0.0)


def _errors(of_units: np.ndarray, df: np.ndarray, of_items: np.ndarray) -> np.ndarray:
    """Standard errors (..., nodes) that the true variance may give: an estimate over chi-square / df is the truth."""
    different, which = np.unique(df, return_inverse=True)
    inverse = np.stack([_inverse_chi_square(float(one)) for one in different])[which.reshape(np.shape(df))]
    return np.sqrt(of_units[..., None] * inverse + of_items[..., None])


@cache
def _inverse_chi_square(df: float) -> np.ndarray:
    """df / chi-square at the nodes, (nodes,)."""
    return df / stats.chi2.ppf(_NODES, df)


def _variance(values: np.ndarray) -> np.ndarray:
    """Over the last axis, unbiased; nan where it has one value."""
    if values.shape[-1] == 1:
        return np.full(values.shape[:-1], np.nan)
    return values.var(axis=-1, ddof=1)
