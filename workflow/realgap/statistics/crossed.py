"""Means over units (classifiers) and items (test images) when all units are measured on the same items.

More units do not make such a mean surer than its items allow. Variance components say how much of the doubt is
either's, and need no resampling: a bootstrap of three units is far too narrow.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

INFINITE = 1e9  # degrees of freedom of a variance that is known


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


def degrees_of_freedom(parts: ArrayLike, of_parts: ArrayLike) -> np.ndarray:
    """Degrees of freedom of a sum of independent variance estimates `parts` (k, ...) with `of_parts` (k, ...) each.

    Source: Satterthwaite, Biometrics Bulletin 2 (1946).
    """
    parts, of_parts = np.asarray(parts, dtype=np.float64), np.asarray(of_parts, dtype=np.float64)
    scale = parts.max(axis=0)
    shares = np.divide(parts, scale, out=np.ones_like(parts), where=scale > 0)
    return shares.sum(axis=0) ** 2 / (shares**2 / of_parts).sum(axis=0)


def half_width(variance: ArrayLike, df: ArrayLike, confidence: float = 0.95) -> np.ndarray:
    """Half the width of Student's interval for a mean with this variance and these degrees of freedom."""
    return stats.t.ppf((1 + confidence) / 2, np.minimum(df, INFINITE)) * np.sqrt(variance)


def _variance(values: np.ndarray) -> np.ndarray:
    """Over the last axis, unbiased; nan where it has one value."""
    if values.shape[-1] == 1:
        return np.full(values.shape[:-1], np.nan)
    return values.var(axis=-1, ddof=1)
