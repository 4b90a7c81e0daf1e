"""Numbers and verdicts in words: each is said one way, on every page.

A verdict comes from realgap.statistics.verdicts. "Undecided" is said as "not told apart from", and never as
"no difference": equality has to be shown, and is then "equivalent within the margin".
"""

from collections.abc import Callable

import pandas as pd

from realgap.statistics.verdicts import FEWEST_UNITS, Verdict

UNTOLD = "not told apart from"  # what undecided means


def percent(value: float) -> str:
    """A fraction as percent, e.g. 93.5 %."""
    return f"{100 * value:.1f} %"


def bare(value: float) -> str:
    """A fraction in percent without the sign of it, where a heading has it."""
    return f"{100 * value:.1f}".replace("-", "\N{MINUS SIGN}")


def points(value: float) -> str:
    """A difference of fractions in percentage points with its sign, e.g. +2.3."""
    return f"{100 * value:+z.1f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """A difference of other numbers, to three digits with its sign, e.g. +0.0231."""
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, shown: Callable[[float], str]) -> str:
    """ "91.9 to 94.3", or "one seed" where there is none."""
    return "one seed" if pd.isna(low) or pd.isna(high) else f"{shown(low)} to {shown(high)}"


def amount(margin: float) -> str:
    """A margin of accuracy, e.g. "2 points"."""
    return f"{100 * margin:g} point{'' if f'{100 * margin:g}' == '1' else 's'}"


def within(margin: float) -> str:
    """A margin of accuracy on both sides, e.g. "±2 points"."""
    return f"±{amount(margin)}"


def seeds(n: int) -> str:
    """ "one seed", "two seeds", "3 seeds"."""
    return f"{ {1: 'one', 2: 'two'}.get(n, f'{n:,}') } seed{'s' if n > 1 else ''}"


def duration(seconds: float) -> str:
    """Seconds for readers: "12.3 s", "7 min 11 s", "41.2 h"."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    return f"{seconds / 3600:,.1f} h"


def needed(n_units: float) -> str:
    """What an interval of +-1 point takes, as statistics.verdicts.units_needed says it; infinite: more test images."""
    return "±1: more test images" if n_units == float("inf") else f"±1: {seeds(int(n_units))}"


def mark(verdict: str, margin: float, small: bool) -> str:
    """A verdict in the cell of a table; small: the difference is shown to be within the margin."""
    if verdict in (Verdict.BETTER, Verdict.WORSE):
        sign = "▲" if verdict == Verdict.BETTER else "▼"
        return f"{sign} {verdict}{f', within {within(margin)}' if small else ''}"
    return f"{verdict} within {within(margin)}" if verdict == Verdict.EQUIVALENT else str(verdict)


def told(
    difference: float,
    low: float,
    high: float,
    n_units: int,
    words: tuple[str, str],
    *,
    reference: str = "real",
    shown: Callable[[float], str] = signed,
    stands_out: bool = True,
) -> str:
    """A difference without a margin in words: words[0] if it is above zero, words[1] if below, with its numbers.

    stands_out: whether it is told from zero among all that were tested with it; its own interval has to exclude zero
    as well. n_units: classifiers, or FEWEST_UNITS where images are the unit.
    """
    if n_units < FEWEST_UNITS or pd.isna(low) or pd.isna(high):
        known = "" if pd.isna(difference) else f" ({shown(difference)}, {seeds(n_units)})"
        return f"{Verdict.TOO_FEW}{known}"
    numbers = f"({shown(difference)}, {interval(low, high, shown)})"
    if not stands_out or low <= 0 <= high:
        return f"{UNTOLD} {reference} {numbers}"
    return f"{words[0 if difference > 0 else 1]} {numbers}"
