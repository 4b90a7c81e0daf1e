"""The Gaussian mechanism on a class's embeddings: the clipped sum of what each image adds, with noise, released.

Each image was inverted by itself from one public start. What it adds is its embedding less that start, cut to length
`clip`. One image more or less so moves the sum by at most the sensitivity, whatever the image is. Nothing else of the
real images is used, and the number that the sum is divided by is public.

How far images spread about their mean can be released with it: each image then also adds the squares of its numbers,
times a weight. Both go through one mechanism, as one longer row.
Source: Dwork and Roth 2014, "The algorithmic foundations of differential privacy", appendix A.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# neighbouring relation -> how far (squared) one image moves the clipped sum, and that of squares, in units of `clip`
NEIGHBOURS: Mapping[str, tuple[float, float]] = {
    "add_remove": (1.0, 1.0),  # one image's share is in the sum or is not
    "replace_one": (4.0, 2.0),  # one image is another; squares are not negative, so at most at a right angle
}
_INSIDE = 1 - 2.0**-40  # of the length that is allowed: rounding must not push a row beyond it


class Released(NamedTuple):
    """What the mechanism gives of a class."""

    mean: np.ndarray  # float64 (d,)
    deviations: np.ndarray | None  # float64 (k,), along each direction; None where squares are not released


def sensitivity(clip: float, neighbours: str, weight: float = 0.0) -> float:
    """How far (L2) the sums of two neighbouring data sets are apart at most. ValueError for another relation.

    weight: of squares beside the rows; 0 where they are not summed.
    """
    if neighbours not in NEIGHBOURS:
        raise ValueError(f"neighbours: must be one of {', '.join(NEIGHBOURS)}; got {neighbours!r}")
    rows, squares = NEIGHBOURS[neighbours]
    return clip * (rows + squares * weight**2) ** 0.5


def added(rows: np.ndarray, clip: float, weight: float = 0.0) -> np.ndarray:
    """What each image adds to the sum: its row (n, k), cut to length `clip`; with a weight also its squares (n, 2k).

    Squares are over `clip`, so they too are at most that long, times the weight.
    """
    cut = clipped(rows, clip)
    return np.hstack([cut, weight * cut**2 / clip]) if weight else cut


def clipped(differences: np.ndarray, clip: float) -> np.ndarray:
    """Rows float64 (n, d) of length at most `clip`, in their own directions; rows with NaN or infinity become zero.

    So an image whose inversion failed adds nothing, and whether one failed does not show.
    """
    rows = _finite(differences)
    largest = np.abs(rows).max(axis=1, initial=0.0, keepdims=True)
    scaled = rows / np.where(largest > 0, largest, 1.0)  # squares of large numbers overflow
    length = np.linalg.norm(scaled, axis=1, keepdims=True) * largest
    return rows * np.minimum(1.0, clip * _INSIDE / np.where(length > 0, length, np.inf))


def released(
    differences: np.ndarray,
    normal: np.ndarray,
    *,
    clip: float,
    multiplier: float,
    neighbours: str,
    count: int,
    basis: np.ndarray | None = None,
    weight: float = 0.0,
) -> Released:
    """(sum of what images add + multiplier * sensitivity * normal) / count.

    differences: (n, d), a row for each image; normal: standard normal (numbers(d or k, weight),); count: a public
    number, never that of the rows. basis: public orthonormal rows (k, d): rows are projected on it before they are
    clipped, so that noise is added to k numbers. weight: of squares; 0 releases none. multiplier 0 adds no noise, and
    gives no guarantee. A variance that is no larger than its noise is said to be 0.
    """
    directions = differences.shape[1] if basis is None else len(basis)
    if normal.shape != (numbers(directions, weight),):
        raise ValueError(f"normal: must be a number for each of {directions} directions; got {normal.shape}")
    projected = differences if basis is None else _finite(differences) @ basis.T
    noise = multiplier * sensitivity(clip, neighbours, weight)
    noisy = (added(projected, clip, weight).sum(axis=0) + noise * normal) / count
    mean = noisy[:directions] if basis is None else noisy[:directions] @ basis
    if not weight:
        return Released(mean, None)
    scale = clip / weight
    variance = scale * noisy[directions:] - noisy[:directions] ** 2
    return Released(mean, np.sqrt(np.where(variance > scale * noise / count, variance, 0.0)))


def numbers(directions: int, weight: float = 0.0) -> int:
    """How many numbers get noise."""
    return 2 * directions if weight else directions


def public_basis(differences: np.ndarray, directions: int) -> np.ndarray:
    """Orthonormal rows (k, d) that hold most of differences (n, d) of public images, k at most `directions`.

    About zero, not about their mean: what is released is a sum, and its largest part is along the mean.
    """
    _, sizes, rows = np.linalg.svd(np.asarray(differences, np.float64), full_matrices=False)
    kept = min(directions, int((sizes > sizes[0] * 1e-6).sum()))
    return rows[:kept]


def public_spread(differences: np.ndarray, classes: Sequence[str], basis: np.ndarray) -> np.ndarray:
    """Standard deviations float64 (k,) of public images (n, d) within their classes, along each row of the basis."""
    along, of = np.asarray(differences, np.float64) @ basis.T, np.asarray(classes)
    within = np.concatenate([along[of == name] - along[of == name].mean(axis=0) for name in np.unique(of)])
    return np.sqrt((within**2).sum(axis=0) / max(1, len(within) - len(np.unique(of))))


def _finite(differences: np.ndarray) -> np.ndarray:
    rows = np.asarray(differences, np.float64)
    return np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
