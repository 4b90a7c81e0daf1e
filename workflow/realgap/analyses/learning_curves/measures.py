"""What a training set is worth in real images: where the curve of real images reaches its accuracy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.isotonic import IsotonicRegression

from realgap.statistics.differences import paired

POINTS = 200  # counts on a logarithmic scale at which a worth is tried


class Worth(NamedTuple):
    """Real images of each class that bring the same accuracy.

    The interval holds every count at which real images are not told apart from the training set.
    """

    count: float  # the first or the last count of the curve where it lies beyond
    low: float  # 0: lower than every count that was tried
    high: float  # infinite: higher than every count that was tried

    def within(self, counts: Sequence[int]) -> bool:
        """Whether the curve reaches this accuracy between its ends."""
        return counts[0] < self.count < counts[-1]


def worth(counts: Sequence[int], real: np.ndarray, other: np.ndarray) -> Worth:
    """Where a training set stands on the curve of real images, with a 95 % interval over draws and test images.

    real: (counts, draws, images) bool, what classifiers of real images say right; counts ascend. other: (draws, images)
    bool, of the training set with the same draws. Between two counts each draw's accuracy is linear in the logarithm of
    the count. The interval inverts the test of `statistics.differences.paired`. ValueError if shapes do not fit.
    """
    real, other = np.asarray(real, np.float64), np.asarray(other, np.float64)
    if real.ndim != 3 or real.shape[1:] != other.shape or len(counts) != len(real) or len(counts) < 2:
        shapes = f"{real.shape}, {other.shape}"
        raise ValueError(f"real, other: must be (counts, draws, images) and (draws, images), got {shapes}")
    at = np.geomspace(counts[0], counts[-1], POINTS)
    left = np.clip(np.searchsorted(counts, at, side="right") - 1, 0, len(counts) - 2)
    steps = np.log(counts)
    shares = (np.log(at) - steps[left]) / (steps[left + 1] - steps[left])
    held = []
    for k, share in zip(left, shares, strict=True):
        found = paired(other, (1 - share) * real[k] + share * real[k + 1])
        held.append(found.low <= 0 <= found.high)
    return Worth(_crossing(counts, real.mean(axis=(1, 2)), other.mean()), *_ends(at, np.array(held), real, other))


def _crossing(counts: Sequence[int], curve: np.ndarray, accuracy: float) -> float:
    """The count at which a curve made to rise reaches an accuracy; the first or the last count beyond its ends."""
    rising = IsotonicRegression().fit_transform(np.log(counts), curve)
    # of a flat part the middle
    lowest, highest = (np.searchsorted(rising, accuracy, side) for side in ("left", "right"))
    if highest == 0 or lowest == len(rising):
        return float(counts[0] if highest == 0 else counts[-1])
    if lowest < highest:
        return float(np.exp((np.log(counts[lowest]) + np.log(counts[highest - 1])) / 2))
    return float(np.exp(np.interp(accuracy, rising[lowest - 1 : lowest + 1], np.log(counts[lowest - 1 : lowest + 1]))))


def _ends(at: np.ndarray, held: np.ndarray, real: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    if not held.any():  # told apart everywhere: beyond an end, or between two points
        beyond = other.mean() > real.mean(axis=(1, 2)).max(), other.mean() < real.mean(axis=(1, 2)).min()
        return (float(at[-1]), np.inf) if beyond[0] else (0.0, float(at[0])) if beyond[1] else (np.nan, np.nan)
    low, high = at[held.argmax()], at[len(held) - 1 - held[::-1].argmax()]
    return (0.0 if held[0] else float(low)), (np.inf if held[-1] else float(high))
