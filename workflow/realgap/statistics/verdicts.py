"""One vocabulary for what a comparison shows, and what the study could have shown.

A verdict follows from an interval, never from a size alone. Not being told apart is no equality: "equivalent" has
to be earned by an interval that lies inside a margin.
"""

from enum import StrEnum

import numpy as np
from scipy import optimize, stats

from realgap.statistics.crossed import INFINITE, degrees_of_freedom, half_width

MARGIN = 0.02  # of accuracy: smaller differences do not matter to the question
FEWEST_UNITS = 3  # two say nothing of how they scatter


class Verdict(StrEnum):
    """What a comparison shows."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    TOO_FEW = "too few to say"


def verdict(
    low: float, high: float, n_units: int, margin: float = MARGIN, inner: tuple[float, float] | None = None
) -> Verdict:
    """The verdict on a difference from its 95 % interval, `low` to `high`; above 0 is better.

    Where less is better, hand over -high and -low. inner: the 90 % interval, for the two one-sided tests at 5 %;
    without it the 95 % interval has to lie inside the margin, which is stricter. A difference that is shown is
    called better or worse even inside the margin: `equivalent` says whether it is small. Fewer than FEWEST_UNITS
    units, or bounds that are nan, are too few. ValueError if the margin is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin: must be above 0, got {margin}")
    if n_units < FEWEST_UNITS or not np.isfinite([low, high]).all():
        return Verdict.TOO_FEW
    if low > 0 or high < 0:
        return Verdict.BETTER if low > 0 else Verdict.WORSE
    return Verdict.EQUIVALENT if equivalent(*(inner or (low, high)), margin) else Verdict.UNDECIDED


def equivalent(low: float, high: float, margin: float = MARGIN) -> bool:
    """Whether an interval lies inside -margin to +margin: two one-sided tests, each at half of what it leaves out.

    The 90 % interval tests at 5 %. False where a bound is nan.
    Source: Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987).
    """
    return bool(-margin < low and high < margin)


def detectable(standard_error: float, df: float, power: float = 0.8, confidence: float = 0.95) -> float:
    """The true difference that a study of this standard error would have told from zero with this power.

    Two-sided; by quadrature over the error's own scatter. nan without degrees of freedom, 0 without an error.
    """
    if not df > 0 or not np.isfinite(standard_error):
        return float("nan")
    df = min(df, INFINITE)
    critical = stats.t.ppf((1 + confidence) / 2, df)
    estimated = np.sqrt(stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, df) / df)  # over the true error

    def missing(shift: float) -> float:
        told = stats.norm.sf(critical * estimated - shift) + stats.norm.cdf(-critical * estimated - shift)
        return power - told.mean()

    return float(standard_error * optimize.brentq(missing, 0, 10 * critical + 10))


def units_needed(
    unit_sd: float, half: float = 0.01, image_error: float = 0.0, rows: int = 2, confidence: float = 0.95
) -> float:
    """Fewest units with which the interval of a difference is within +-half, up to 100,000; else infinite.

    unit_sd: standard deviation of one unit's difference. image_error: what the test images add to the standard
    error, which no number of units takes away. rows: how many share the estimate of the deviation (2: a paired t).
    """
    if not np.isfinite([unit_sd, image_error]).all():
        return float("nan")
    units = np.unique(np.geomspace(2, 1e5, 4000).astype(int))
    parts = np.stack([unit_sd**2 / units, np.full(len(units), image_error**2)])
    df = degrees_of_freedom(parts, np.stack([(rows - 1) * (units - 1), np.full(len(units), INFINITE)]))
    enough = half_width(parts.sum(axis=0), df, confidence) <= half
    return float(units[enough.argmax()]) if enough.any() else float("inf")
