"""The rows of a study's table: what each training set reaches, and how it stands against the reference."""

from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike

from realgap.statistics.differences import Difference, checked, difference, differences
from realgap.statistics.shares import above_chance, mean_of_counts, mean_share
from realgap.statistics.verdicts import FEWEST_UNITS, MARGIN, Verdict, detectable, equivalent, units_needed, verdict

_OF_REFERENCE = (*(float("nan"),) * 3, None, False, *(float("nan"),) * 2)  # its difference to itself


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


class Pair(NamedTuple):
    """One row of a study's table minus another; fields as in Row."""

    name: str
    reference: str
    n_units: int
    difference: float
    difference_low: float
    difference_high: float
    verdict: Verdict
    within_margin: bool
    detectable: float
    units_needed: float


def study_rows(
    accuracies: ArrayLike,
    names: Sequence[str],
    n_test: int,
    reference: str = "real",
    correct: ArrayLike | None = None,
    margin: float = MARGIN,
    chance: float = 0.0,
) -> list[Row]:
    """A Row for each of `names` from accuracies (rows, units); arguments as `differences` takes them.

    chance: what guessing reaches. A reference that is not told apart from it has learned nothing, and no row is called
    equivalent to it. Source: ICH E10, Choice of control group (2000), 1.5, assay sensitivity.
    """
    accuracies, correct = checked(accuracies, correct)
    if reference not in names or len(names) != len(accuracies):
        raise ValueError(f"names: must name the {len(accuracies)} rows, '{reference}' among them, got {list(names)}")
    at = list(names).index(reference)
    found = differences(accuracies, at, correct)
    hits = accuracies if correct is None else correct
    means = [mean_of_counts(one * n_test, n_test) if correct is None else mean_share(one) for one in hits]
    learned = means[at][1] > chance
    rows = []
    for name, mean, one in zip(names, means, found, strict=True):
        own = _OF_REFERENCE if name == reference else judged(one, margin, learned)
        rows.append(Row(name, accuracies.shape[1], *mean, *own))
    return rows


def pairs(
    accuracies: ArrayLike,
    names: Sequence[str],
    correct: ArrayLike | None = None,
    margin: float = MARGIN,
    chance: float = 0.0,
) -> list[Pair]:
    """A Pair for each two of `names`, the one that comes first as its reference; arguments as `study_rows` takes them.

    Each pair has its own 5 %: a sentence that picks one of many pairs needs `families`. Two are called equivalent where
    one of them is above chance, which is judged only where `correct` is given.
    """
    accuracies, correct = checked(accuracies, correct)
    above = [True] * len(names) if correct is None else [above_chance(one, chance) for one in correct]
    return [
        Pair(
            names[i],
            other,
            accuracies.shape[1],
            *judged(difference(accuracies, i, j, correct), margin, above[i] or above[j]),
        )
        for j, other in enumerate(names)
        for i in range(j + 1, len(names))
    ]


def judged(
    found: Difference, margin: float = MARGIN, learned: bool = True
) -> tuple[float, float, float, Verdict, bool, float, float]:
    """A difference of accuracies as a Row or a Pair has it, from `difference` to `units_needed`.

    learned: whether one of the two is above chance; else equivalence would say nothing.
    """
    said = verdict(found.low, found.high, found.n_units, margin, found.inner)
    return (
        *found[:3],
        Verdict.UNDECIDED if said is Verdict.EQUIVALENT and not learned else said,
        learned and found.n_units >= FEWEST_UNITS and equivalent(*found.inner, margin),
        detectable(found.unit_sd**2 / found.n_units, found.df, found.image_error**2),
        units_needed(found.unit_sd, 0.01, found.image_error, found.pooled_rows),
    )
