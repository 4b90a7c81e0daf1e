"""A set of images against its control beside a fixed reference: what if the two had been dealt at random?

Coverage, recall and distances are no means over images, and a bootstrap that draws an image twice changes them by
itself. So images are exchanged between the set and the control instead, and the metric is measured anew each time.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from realgap.statistics.families import step_down
from realgap.streams import stream


class Exchange(NamedTuple):
    """A set's metric minus its control's; the interval excludes 0 where p is below what it leaves out."""

    value: float
    low: float
    high: float
    p_value: float  # two-sided


def exchange(
    metric: Callable[[np.ndarray], np.ndarray],
    n_images: int,
    n_control: int,
    seed: int,
    permutations: int = 499,
    paired: bool = False,
    confidence: float = 0.95,
) -> Exchange:
    """Difference of a metric between a set and its control, by permutation of their images.

    metric: memberships (r, n_images + n_control) float64, 1 where an image belongs, -> the metric of each row's
    images, (r,); images of the set come first, then those of the control. paired: image i of the set belongs with
    image i of the control (made from it), and the two are exchanged; else all images are pooled. The interval is the
    value less what chance gives: exact as a test, as an interval exact where set and control scatter alike.
    Source: Fisher, The design of experiments (1935), ch. 3; Pesarin and Salmaso, Permutation tests (2010).
    """
    rows = memberships(n_images, n_control, seed, permutations, paired)
    return summary(metric(rows) - metric(1 - rows), confidence)


def memberships(n_images: int, n_control: int, seed: int, permutations: int, paired: bool = False) -> np.ndarray:
    """Who is in the set, (1 + permutations, n_images + n_control) of 0 and 1: as it is, then dealt at random."""
    if paired and n_images != n_control:
        raise ValueError(f"n_control: must be n_images where they are pairs, {n_images}, got {n_control}")
    if min(n_images, n_control) < 1 or permutations < 19:
        raise ValueError(f"permutations: must be at least 19, of images on both sides, got {permutations}")
    observed = np.repeat([1.0, 0.0], [n_images, n_control])
    rng = stream(seed, "exchange", n_images, n_control)
    if paired:
        swapped = rng.random((permutations, n_images)) < 0.5
        dealt = np.hstack([~swapped, swapped]).astype(np.float64)
    else:
        dealt = rng.permuted(np.tile(observed, (permutations, 1)), axis=1)
    return np.vstack([observed, dealt])


def summary(differences: np.ndarray, confidence: float = 0.95) -> Exchange:
    """From differences (1 + permutations,), the observed one first."""
    value, by_chance = float(differences[0]), differences[1:]
    tolerance = 1e-12 * max(1.0, abs(value))
    upper, lower = ((1 + (sign * by_chance >= sign * value - tolerance).sum()) / len(differences) for sign in (1, -1))
    # the (k + 1)-th most extreme value, so that the interval and the test never disagree
    k = int((1 - confidence) / 2 * len(differences))
    order = np.sort(by_chance)
    if k < 1:
        return Exchange(value, -np.inf, np.inf, float(min(1.0, 2 * min(upper, lower))))
    return Exchange(
        value, float(value - order[-k]), float(value - order[k - 1]), float(min(1.0, 2 * min(upper, lower)))
    )


def family_p(differences: np.ndarray) -> np.ndarray:
    """Adjusted p (cells,) of differences (1 + permutations, cells) by the same permutations, the observed ones first.

    The largest of all cells in each permutation, each in units of its own scatter by chance (families.step_down).
    Cells may be several metrics, or one metric of several classes that were dealt alike.
    """
    # of all arrangements, the observed one among them: what it is measured by must not know which one that is
    centred, scatter = np.abs(differences - differences.mean(axis=0)), differences.std(axis=0)
    return step_down(np.divide(centred, scatter, out=np.zeros_like(centred), where=scatter > 1e-12))


def any_hit(hits: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The metric "share of reference images hit by any image of the set", e.g. coverage.

    hits: (n_images + n_control, n_reference) bool: an image lies in the ball of a reference image.
    """
    hits = np.asarray(hits, dtype=np.float32)
    return lambda rows: (rows.astype(np.float32) @ hits > 0.5).mean(axis=1)


def mean_of(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The metric "mean over the images of the set" of values (n_images + n_control,), e.g. precision or density."""
    values = np.asarray(values, dtype=np.float64)
    return lambda rows: rows @ values / rows.sum(axis=1)


def reached(to_reference: np.ndarray, among: np.ndarray, k: int) -> Callable[[np.ndarray], np.ndarray]:
    """The metric recall: share of reference images inside a ball of the set, balls made anew for each set.

    to_reference: distances (n_images + n_control, n_reference). among: distances (n, n) between the images of both
    sides. k: an image's ball reaches to its k-th nearest neighbour in its own set.
    """
    among = np.where(np.eye(len(among), dtype=bool), np.inf, among)

    def recall(row: np.ndarray) -> float:
        own = np.flatnonzero(row)
        if len(own) <= k:
            raise ValueError(f"k: must be below the number of images in a set, {len(own)}, got {k}")
        reach = np.partition(among[np.ix_(own, own)], k - 1, axis=1)[:, k - 1]
        return (to_reference[own] < reach[:, None]).any(axis=0).mean()

    return lambda rows: np.array([recall(row) for row in rows])
