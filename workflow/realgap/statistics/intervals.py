"""Intervals of small samples: every number comes with an interval.

Means over seeds use Student's t, since three to ten seeds are usual. Statistics of many items (images) use
the bootstrap over items. All functions take arrays and plain arguments, and need numpy and scipy only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from realgap.streams import stream


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of `values` (n,) over seeds with its two-sided Student t interval: (mean, low, high).

    One value has no spread to judge by, so its bounds are nan. ValueError if empty or not finite.
    Source: Student, The probable error of a mean, Biometrika 6 (1908).
    """
    values = _sample("values", values)
    mean = float(values.mean())
    if len(values) == 1:
        return mean, float("nan"), float("nan")
    half = stats.t.ppf((1 + _share("confidence", confidence)) / 2, len(values) - 1) * stats.sem(values)
    return mean, float(mean - half), float(mean + half)


def paired_difference(values: ArrayLike, reference: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of `values - reference`, both (n,) in the order of seeds: (difference, low, high) by a t interval.

    Pairing removes what a seed does to both sides (same initial weights, same data order). Same rules as
    `mean_interval`; ValueError if the lengths differ.
    """
    values, reference = _pair(values, reference)
    return mean_interval(values - reference, confidence)


def bootstrap_interval(
    items: ArrayLike | Sequence[ArrayLike],
    statistic: Callable[..., float],
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """`statistic(items)` with its percentile bootstrap interval over items: (estimate, low, high).

    items: one array (n, ...), or a tuple of arrays, each resampled by itself along its first axis and given
    to `statistic` as one argument each. seed: of the resampling, the only source of randomness.
    Source: Efron and Tibshirani, An introduction to the bootstrap (1993), ch. 13; computed by scipy.
    """
    samples = [np.asarray(sample) for sample in (items if isinstance(items, tuple) else (items,))]
    if any(sample.ndim == 0 or len(sample) < 2 for sample in samples):
        raise ValueError(f"items: must hold at least 2, got shapes {[sample.shape for sample in samples]}")
    confidence = _share("confidence", confidence)
    result = stats.bootstrap(
        [np.arange(len(sample)) for sample in samples],
        lambda *rows: statistic(*(sample[row] for sample, row in zip(samples, rows, strict=True))),
        vectorized=False,
        n_resamples=resamples,
        method="percentile",
        rng=stream(seed, "bootstrap"),
    )
    estimate, draws = float(statistic(*samples)), result.bootstrap_distribution
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return estimate, float(low), float(high)


def share_interval(
    successes: int, total: int, confidence: float = 0.95, method: str = "wilson"
) -> tuple[float, float, float]:
    """Share `successes / total` with its interval: (share, low, high), all in [0, 1].

    method: "wilson" (close to the stated confidence on average) or "exact" (Clopper-Pearson, never below it).
    Source: Wilson, JASA 22 (1927); Clopper and Pearson, Biometrika 26 (1934); computed by scipy.
    """
    if not 0 <= successes <= total or total == 0:
        raise ValueError(f"successes: must be in [0, total] with total > 0, got {successes} of {total}")
    if method not in ("wilson", "exact"):
        raise ValueError(f"method: must be 'wilson' or 'exact', got '{method}'")
    interval = stats.binomtest(int(successes), int(total)).proportion_ci(_share("confidence", confidence), method)
    return successes / total, float(interval.low), float(interval.high)


def auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Chance that a score in `positive` (n,) exceeds one in `negative` (m,), ties half; 0.5: as by chance.

    Source: Mann and Whitney, Ann. Math. Statist. 18 (1947): the area under the ROC curve by ranks.
    """
    positive, negative = _sample("positive", positive), _sample("negative", negative)
    ranks = stats.rankdata(np.concatenate([positive, negative]))[: len(positive)]
    n, m = len(positive), len(negative)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def holm(p_values: ArrayLike) -> np.ndarray:
    """P values (n,) of one family of comparisons, adjusted so that any false alarm has the stated chance.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
    """
    p_values = _sample("p_values", p_values)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _sample(name: str, values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name}: must be a 1-d array with at least one value, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: must be finite, got {values[~np.isfinite(values)][0]}")
    return values


def _pair(values: ArrayLike, reference: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values, reference = _sample("values", values), _sample("reference", reference)
    if len(values) != len(reference):
        raise ValueError(f"reference: must have the length of values, got {len(reference)} for {len(values)}")
    return values, reference


def _share(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name}: must be between 0 and 1, got {value}")
    return value
