"""Training sets (rows) compared over units: the rows of a study's table.

A unit does the same to all rows (easy real images, a lucky seed), so a two-way additive model, row + unit, takes it
out, and what is left over in all rows tells how much a difference scatters. Rows that scatter more are set apart
first: with one noisy row among quiet ones, a pooled variance would be wrong for both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from realgap.statistics.crossed import INFINITE, degrees_of_freedom, half_width, variances
from realgap.statistics.shares import mean_of_counts, mean_share
from realgap.statistics.verdicts import MARGIN, Verdict, detectable, equivalent, units_needed, verdict

APART = 0.3  # a row leaves the pool where its extra scatter has a smaller p than this (Bonferroni over rows)
OWN = 0.4  # two rows of the pool use their own variance where its excess over the rest's has a smaller p


class Difference(NamedTuple):
    """One row minus another, in accuracy, with its 95 % interval; nan where one unit has no spread to judge by."""

    value: float
    low: float
    high: float
    inner: tuple[float, float]  # the 90 % interval, for equivalence
    standard_error: float
    df: float  # degrees of freedom, 1e9 at most
    n_units: int
    unit_sd: float  # of one unit's difference
    image_error: float  # the test images' part of the standard error; 0 where they were not given
    pooled_rows: int  # rows that the unit_sd was estimated from; 2 for the two alone


class Row(NamedTuple):
    """A row of a study's table; accuracies and differences are fractions, bounds of 95 % intervals.

    Bounds of one unit are over its test images alone; its difference has none. The reference's own row has a
    difference of nan, and the verdict None.
    """

    name: str
    n_units: int
    mean: float
    low: float  # in [0, 1]
    high: float
    difference: float
    difference_low: float  # in [-1, 1]
    difference_high: float
    verdict: Verdict | None
    within_margin: bool  # equivalent by two one-sided tests at 5 %, be it told from zero or not
    detectable: float  # difference seen with 80 % power
    units_needed: float  # for an interval of the difference within +-1 point; infinite: the test images forbid it


def study_rows(
    accuracies: ArrayLike,
    names: Sequence[str],
    n_test: int,
    reference: str = "real",
    correct: ArrayLike | None = None,
    margin: float = MARGIN,
) -> list[Row]:
    """A Row for each of `names` from accuracies (rows, units); arguments as `differences` takes them."""
    accuracies, correct = _checked(accuracies, correct)
    if reference not in names or len(names) != len(accuracies):
        raise ValueError(f"names: must name the {len(accuracies)} rows, '{reference}' among them, got {list(names)}")
    found = differences(accuracies, list(names).index(reference), correct)
    rows = []
    for i, (name, difference) in enumerate(zip(names, found, strict=True)):
        mean = mean_share(correct[i]) if correct is not None else mean_of_counts(accuracies[i] * n_test, n_test)
        rows.append(Row(name, accuracies.shape[1], *mean, *_judged(difference, margin, name == reference)))
    return rows


def differences(accuracies: ArrayLike, reference: int = 0, correct: ArrayLike | None = None) -> list[Difference]:
    """Each row of accuracies (rows, units) minus the row `reference`, with 95 % intervals, in the order of rows.

    Columns are units, the same for all rows. correct: (rows, units, images) bool, the same test images for all;
    with it the sampling of the test images is part of the intervals. Covers 93 to 97 % from 3 to 10 units, rows of
    unequal variance included but for what workflow/docs/statistics.md says. ValueError if a value is no accuracy.
    Source: Scheffe, The analysis of variance (1959), ch. 4, for the additive model.
    """
    accuracies, correct = _checked(accuracies, correct)
    pool = _pool(accuracies)
    return [_difference(accuracies, correct, row, reference, pool) for row in range(len(accuracies))]


def difference(accuracies: ArrayLike, row: int, other: int, correct: ArrayLike | None = None) -> Difference:
    """One row of accuracies (rows, units) minus another; all rows help to judge the scatter, as in `differences`."""
    accuracies, correct = _checked(accuracies, correct)
    return _difference(accuracies, correct, row, other, _pool(accuracies))


def _checked(accuracies: ArrayLike, correct: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
    accuracies = np.asarray(accuracies, dtype=np.float64)
    if accuracies.ndim != 2 or 0 in accuracies.shape or not ((accuracies >= 0) & (accuracies <= 1)).all():
        raise ValueError(f"accuracies: must be (rows, units), each in [0, 1], got shape {accuracies.shape}")
    correct = None if correct is None else np.asarray(correct)
    if correct is not None and (correct.ndim != 3 or correct.shape[:2] != accuracies.shape):
        raise ValueError(f"correct: must be (rows, units, images) of {accuracies.shape}, got shape {correct.shape}")
    return accuracies, correct


def _difference(
    accuracies: np.ndarray, correct: np.ndarray | None, row: int, other: int, pool: list[int]
) -> Difference:
    each = accuracies[row] - accuracies[other]
    value, n_units, nan = float(each.mean()), len(each), float("nan")
    if n_units == 1:
        return Difference(value, nan, nan, (nan, nan), nan, nan, 1, nan, nan, 2)
    variance, df, used = _unit_variance(accuracies, row, other, pool)
    parts, dfs = [variance / n_units], [df]
    if correct is not None:
        parts.append(float(variances(correct[row].astype(np.int8) - correct[other])[1]))
        dfs.append(correct.shape[2] - 1)
    df = min(float(degrees_of_freedom(parts, dfs)), INFINITE)
    half, inner = (float(half_width(sum(parts), df, confidence)) for confidence in (0.95, 0.9))
    image_error = float(np.sqrt(sum(parts[1:])))
    bounds = np.clip([value - half, value + half, value - inner, value + inner], -1, 1).tolist()
    error = float(np.sqrt(sum(parts)))
    return Difference(
        value, *bounds[:2], tuple(bounds[2:]), error, df, n_units, float(np.sqrt(variance)), image_error, used
    )


def _unit_variance(accuracies: np.ndarray, row: int, other: int, pool: list[int]) -> tuple[float, float, int]:
    """Variance of one unit's difference of two rows, its degrees of freedom, and the number of rows it is from."""
    n = accuracies.shape[1] - 1
    own = float((accuracies[row] - accuracies[other]).var(ddof=1))
    if len(pool) < 3 or row not in pool or other not in pool:
        return own, n, 2
    total, df = _residual(accuracies[pool])
    rest, df_of_rest = total - own / 2 * n, df - n
    if _excess(own / 2 * n, n, rest, df_of_rest) < OWN:
        return own, n, 2
    return 2 * total / df, df, len(pool)


def _pool(accuracies: np.ndarray) -> list[int]:
    """Rows that scatter alike around the additive model: one after another, the row that scatters most leaves."""
    pool, n = list(range(len(accuracies))), accuracies.shape[1] - 1
    while len(pool) > 2 and n:
        total, _ = _residual(accuracies[pool])
        without = {row: _residual(accuracies[[one for one in pool if one != row]]) for row in pool}
        worst = min(without, key=lambda row: without[row][0])
        rest, df = without[worst]
        if _excess(total - rest, n, rest, df) * len(pool) > APART:
            break
        pool.remove(worst)
    return pool


def _residual(accuracies: np.ndarray) -> tuple[float, int]:
    """Sum of squares around row + unit, and its degrees of freedom."""
    centred = accuracies - accuracies.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=0)
    return float((centred**2).sum()), (accuracies.shape[0] - 1) * (accuracies.shape[1] - 1)


def _excess(squares: float, df: int, rest: float, df_of_rest: int) -> float:
    """p of the F test that `squares` are larger than those of the rest; 1 where nothing scatters."""
    if squares <= 1e-15:
        return 1.0
    return float(stats.f.sf((squares / df) / (rest / df_of_rest), df, df_of_rest)) if rest > 1e-15 else 0.0


def _judged(found: Difference, margin: float, is_reference: bool) -> tuple:
    if is_reference:
        return (float("nan"),) * 3 + (None, False, float("nan"), float("nan"))
    return (
        *found[:3],
        verdict(found.low, found.high, found.n_units, margin, found.inner),
        found.n_units > 1 and equivalent(*found.inner, margin),
        detectable(found.standard_error, found.df),
        units_needed(found.unit_sd, 0.01, found.image_error, found.pooled_rows),
    )
