"""One vocabulary for what a comparison shows, and what the study could have shown.

A verdict follows from an interval, never from a size alone. Not being told apart is no equality: "equivalent" has
to be earned by an interval that lies inside a margin.
"""

import bisect
from enum import StrEnum

import numpy as np
from scipy import optimize, special, stats

from realgap.statistics.crossed import half_width

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


def detectable(
    of_units: float, df: float, of_images: float = 0.0, power: float = 0.8, confidence: float = 0.95
) -> float:
    """The true difference that a study would have told from zero with this power, two-sided.

    of_units, of_images: parts of the variance of the difference (`crossed.variances`), df: degrees of freedom of the
    first. By quadrature over what the study's own estimate of it might have been. nan where it has none.
    """
    if not df > 0 or not np.isfinite([of_units, of_images]).all():
        return float("nan")
    chi_square = stats.chi2.ppf((np.arange(200) + 0.5) / 200, df)
    half = half_width(of_units * chi_square / df, df, of_images, confidence)
    error = np.sqrt(of_units + of_images)
    if error == 0:
        return 0.0

    def missing(size: float) -> float:
        told = special.ndtr((size - half) / error) + special.ndtr((-size - half) / error)
        return power - told.mean()

    return float(optimize.brentq(missing, 0, half.max() + 10 * error))


def units_needed(
    unit_sd: float, half: float = 0.01, image_error: float = 0.0, rows: int = 2, confidence: float = 0.95
) -> float:
    """Fewest units with which the interval of a difference is within +-half, up to 100,000; else infinite.

    unit_sd: standard deviation of one unit's difference. image_error: what the test images add to the standard
    error, which no number of units takes away. rows: how many share the estimate of the deviation (2: a paired t).
    """
    if not np.isfinite([unit_sd, image_error]).all():
        return float("nan")

    def enough(units: int) -> bool:
        return half_width(unit_sd**2 / units, (rows - 1) * (units - 1), image_error**2, confidence) <= half

    units = bisect.bisect_left(range(2, 100_001), True, key=enough) + 2
    return float(units) if units <= 100_000 else float("inf")
