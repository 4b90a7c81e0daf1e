"""Differences between training sets (rows) over units: two rows of many, or two series of one number.

A unit does the same to all rows (easy real images, a lucky seed), so a two-way additive model, row + unit, takes it
out, and what is left over in all rows tells how much a difference scatters. Rows that scatter more are set apart
first: with one noisy row among quiet ones, a pooled variance would be wrong for both.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from realgap.statistics.crossed import half_width, p_value, variances

APART = 0.3  # a row leaves the pool where its extra scatter has a smaller p than this (Bonferroni over rows)
OWN = 0.5  # two rows of the pool use their own variance where its excess over the rest's has a smaller p


class Difference(NamedTuple):
    """One row minus another, in accuracy, with its 95 % interval; nan where one unit has no spread to judge by."""

    value: float
    low: float
    high: float
    inner: tuple[float, float]  # the 90 % interval, for equivalence
    standard_error: float
    df: float  # degrees of freedom of the units' part of it
    n_units: int
    unit_sd: float  # of one unit's difference
    image_error: float  # the test images' part of the standard error; 0 where they were not given
    pooled_rows: int  # rows that the unit_sd was estimated from; 2 for the two alone


def differences(accuracies: ArrayLike, reference: int = 0, correct: ArrayLike | None = None) -> list[Difference]:
    """Each row of accuracies (rows, units) minus the row `reference`, with 95 % intervals, in the order of rows.

    Columns are units, the same for all rows. correct: (rows, units, images) bool, the same test images for all,
    or their groups (crossed.of_groups); with it their sampling is part of the intervals. Covers 93 to 97 % from 3 to 10
    units, rows of unequal variance included but for what workflow/docs/statistics.md says. ValueError if a value is no
    accuracy.
    Source: Scheffe, The analysis of variance (1959), ch. 4, for the additive model.
    """
    accuracies, correct = checked(accuracies, correct)
    pool = _pool(accuracies)
    return [_difference(accuracies, correct, row, reference, pool) for row in range(len(accuracies))]


def difference(accuracies: ArrayLike, row: int, other: int, correct: ArrayLike | None = None) -> Difference:
    """One row of accuracies (rows, units) minus another; all rows help to judge the scatter, as in `differences`."""
    accuracies, correct = checked(accuracies, correct)
    return _difference(accuracies, correct, row, other, _pool(accuracies))


def paired(
    values: ArrayLike,
    reference: ArrayLike,
    counted: ArrayLike | None = None,
    counted_of_reference: ArrayLike | None = None,
) -> Difference:
    """Mean of values - mean of reference, both (units, images) of one number per image, over units and images.

    The same images for all units: correctness, a map's focus, or what an image adds to a calibration error.
    counted: (units, images) bool, where a value counts (its map is there, its classifier is right), by default where
    the reference's does as well; counted_of_reference: where that does. A unit's mean is over what counts in it.
    Hits, bool, that are the same everywhere have an interval too: see `_of_hits`. Bounds are not clipped. ValueError if
    a unit counts nothing.
    """
    of_hits = counted is None and np.asarray(values).dtype == np.asarray(reference).dtype == bool
    values, reference = (np.asarray(one, dtype=np.float64) for one in (values, reference))
    counted = np.ones(values.shape, bool) if counted is None else np.asarray(counted, dtype=bool)
    other = counted if counted_of_reference is None else np.asarray(counted_of_reference, dtype=bool)
    shapes = {one.shape for one in (values, reference, counted, other)}
    if len(shapes) > 1 or values.ndim != 2 or not (counted.any(axis=1) & other.any(axis=1)).all():
        raise ValueError(f"values, reference, counted: must be (units, images) with some counted, got {shapes}")
    return _of_images(_added(values, counted) - _added(reference, other), of_hits)


def apart(values: ArrayLike, reference: ArrayLike, same_images: bool) -> Difference:
    """Mean of values - mean of reference, (units, images) each, of units that are no pairs, such as two studies'.

    same_images: both were measured on the same images, in the same order: what these do to both is taken out. Welch's
    degrees of freedom. One unit on either side: bounds are nan. Source: Welch, Biometrika 34 (1947).
    """
    one, other = (np.asarray(each, dtype=np.float64) for each in (values, reference))
    value, n_units = float(one.mean() - other.mean()), min(len(one), len(other))
    if n_units == 1:
        return _one_unit(value)
    (units, images), (other_units, other_images) = (variances(each) for each in (one, other))
    of_units = float(units + other_units)
    squares = float(units) ** 2 / (len(one) - 1) + float(other_units) ** 2 / (len(other) - 1)
    of_images = float(images + other_images)
    if same_images:
        # what is particular to a unit on an image is in the units' part already
        means = one.mean(axis=0), other.mean(axis=0)
        twice = sum(mean.var(ddof=1) for mean in means) / one.shape[1] - of_images
        of_images = max((means[0] - means[1]).var(ddof=1) / one.shape[1] - twice, 0.0)
    df = of_units**2 / squares if squares else len(one) + len(other) - 2
    return _possible(found(value, of_units * n_units, df, n_units, of_images, 2))


def mean_of(values: ArrayLike) -> tuple[float, float, float]:
    """Mean of (units, images) of one number per image with its 95 % interval over both: (mean, low, high).

    One unit: its bounds are nan. One image, or one number of each unit: Student's t over units.
    """
    mean = _of_images(np.asarray(values, dtype=np.float64))
    return mean.value, mean.low, mean.high


def p_of(one: Difference) -> float:
    """Two-sided p of a difference: below 0.05 where its interval excludes zero; nan for one unit."""
    if one.n_units < 2:
        return float("nan")
    return float(p_value(one.value, one.unit_sd**2 / one.n_units, one.df, one.image_error**2))


def _added(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """What each image adds to its unit's mean over what counts in it, (units, images) whose row means are these."""
    means = (np.where(counted, values, 0).sum(axis=1) / counted.sum(axis=1))[:, None]
    return means + counted / counted.mean(axis=1, keepdims=True) * np.where(counted, values - means, 0.0)


def _of_images(added: np.ndarray, of_hits: bool = False) -> Difference:
    """The mean of (units, images) with its intervals; of_hits: of differences of hits."""
    means = added.mean(axis=1)
    if len(means) == 1:
        return _one_unit(float(means[0]))
    of_units, of_images = (float(part) for part in variances(added))
    of_images = 0.0 if added.shape[1] == 1 else of_images
    of_images = _of_hits(of_units, of_images, added.shape[1]) if of_hits else of_images
    return found(float(means.mean()), of_units * len(means), len(means) - 1, len(means), of_images, 2)


def found(value: float, unit_variance: float, unit_df: float, n_units: int, of_images: float, used: int) -> Difference:
    """A Difference from the variance of one unit's difference, and what the images add to that of the mean."""
    of_units = unit_variance / n_units
    half, inner = (float(half_width(of_units, unit_df, of_images, confidence)) for confidence in (0.95, 0.9))
    return Difference(
        value,
        value - half,
        value + half,
        (value - inner, value + inner),
        float(np.sqrt(of_units + of_images)),
        unit_df,
        n_units,
        float(np.sqrt(unit_variance)),
        float(np.sqrt(of_images)),
        used,
    )


def checked(accuracies: ArrayLike, correct: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
    accuracies = np.asarray(accuracies, dtype=np.float64)
    if accuracies.ndim != 2 or 0 in accuracies.shape or not ((accuracies > -1e-9) & (accuracies < 1 + 1e-9)).all():
        raise ValueError(f"accuracies: must be (rows, units), each in [0, 1], got shape {accuracies.shape}")
    correct = None if correct is None else np.asarray(correct)
    if correct is not None and (correct.ndim != 3 or correct.shape[:2] != accuracies.shape):
        raise ValueError(f"correct: must be (rows, units, images) of {accuracies.shape}, got shape {correct.shape}")
    return accuracies.clip(0, 1), correct


def _difference(
    accuracies: np.ndarray, correct: np.ndarray | None, row: int, other: int, pool: list[int]
) -> Difference:
    each = accuracies[row] - accuracies[other]
    value, n_units = float(each.mean()), len(each)
    if n_units == 1:
        return _one_unit(value)
    variance, df, used = _unit_variance(accuracies, row, other, pool)
    each_image = None if correct is None else np.subtract(correct[row], correct[other], dtype=np.float64)
    of_images = 0.0
    if each_image is not None:
        of_images = _of_hits(variance / n_units, float(variances(each_image)[1]), each_image.shape[1])
    return _possible(found(value, variance, df, n_units, of_images, used))


def _of_hits(of_units: float, of_images: float, n_images: int) -> float:
    """What the images add to the variance of a difference of hits; where nothing scatters, that of one image.

    Two rows that are right about the same images may differ in the next one: no interval is zero wide. Half an image
    more in each cell of the two-by-two table, after Agresti and Min, Statistics in Medicine 24 (2005).
    """
    scatters = of_units + of_images > 1e-15  # less is what rounding leaves of none
    return of_images if scatters else 1 / (n_images + 2) ** 2


def _possible(difference: Difference) -> Difference:
    """Of accuracies, whose differences lie within [-1, 1]."""
    low, high, *inner = np.clip([difference.low, difference.high, *difference.inner], -1, 1).tolist()
    return difference._replace(low=low, high=high, inner=tuple(inner))


def _one_unit(value: float) -> Difference:
    nan = float("nan")
    return Difference(value, nan, nan, (nan, nan), nan, nan, 1, nan, nan, 2)


def _unit_variance(accuracies: np.ndarray, row: int, other: int, pool: list[int]) -> tuple[float, float, int]:
    """Variance of one unit's difference of two rows, its degrees of freedom, and the number of rows it is from."""
    n = accuracies.shape[1] - 1
    own = float((accuracies[row] - accuracies[other]).var(ddof=1))
    if len(pool) < 3 or row not in pool or other not in pool:
        return own, n, 2
    total, df = residual(accuracies[pool])
    rest, df_of_rest = total - own / 2 * n, df - n
    if _excess(own / 2 * n, n, rest, df_of_rest) < OWN:
        return own, n, 2
    return 2 * total / df, df, len(pool)


def _pool(accuracies: np.ndarray) -> list[int]:
    """Rows that scatter alike around the additive model: one after another, the row that scatters most leaves."""
    pool, n = list(range(len(accuracies))), accuracies.shape[1] - 1
    while len(pool) > 2 and n:
        total, _ = residual(accuracies[pool])
        without = {row: residual(accuracies[[one for one in pool if one != row]]) for row in pool}
        worst = min(without, key=lambda row: without[row][0])
        rest, df = without[worst]
        if _excess(total - rest, n, rest, df) * len(pool) > APART:
            break
        pool.remove(worst)
    return pool


def residual(accuracies: np.ndarray) -> tuple[float, int]:
    """Sum of squares around row + unit, and its degrees of freedom."""
    centred = accuracies - accuracies.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=0)
    return float((centred**2).sum()), (accuracies.shape[0] - 1) * (accuracies.shape[1] - 1)


def _excess(squares: float, df: int, rest: float, df_of_rest: int) -> float:
    """p of the F test that `squares` are larger than those of the rest; 1 where nothing scatters."""
    if squares <= 1e-15:
        return 1.0
    return float(special.fdtrc(df, df_of_rest, (squares / df) / (rest / df_of_rest))) if rest > 1e-15 else 0.0
