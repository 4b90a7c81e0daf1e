"""The Gaussian mechanism on a class's embeddings: the clipped sum of what each image adds, with noise, released.

Each image was inverted by itself from one public start. What it adds is its embedding less that start, cut to length
`clip`. One image more or less so moves the sum by at most the sensitivity, whatever the image is. Nothing else of the
real images is used, and the number that the sum is divided by is public.
Source: Dwork and Roth 2014, "The algorithmic foundations of differential privacy", appendix A.
"""

from collections.abc import Mapping

import numpy as np

# neighbouring relation -> how far one image moves the clipped sum, in units of `clip`
NEIGHBOURS: Mapping[str, float] = {
    "add_remove": 1.0,  # one image's share is in the sum or is not
    "replace_one": 2.0,  # one image is another
}
_INSIDE = 1 - 2.0**-40  # of the length that is allowed: rounding must not push a row beyond it


def sensitivity(clip: float, neighbours: str) -> float:
    """How far (L2) clipped sums of two neighbouring data sets are apart at most. ValueError for another relation."""
    if neighbours not in NEIGHBOURS:
        raise ValueError(f"neighbours: must be one of {', '.join(NEIGHBOURS)}; got {neighbours!r}")
    return NEIGHBOURS[neighbours] * clip


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
) -> np.ndarray:
    """(sum of clipped rows + multiplier * sensitivity * normal) / count, float64 (d,).

    differences: (n, d), a row for each image; normal: standard normal (d,), or (k,) with a basis; count: a public
    number, never that of the rows. basis: public orthonormal rows (k, d): rows are projected on it before they are
    clipped, so that noise is added to k numbers. multiplier 0 adds none, and gives no guarantee.
    """
    directions = differences.shape[1] if basis is None else len(basis)
    if normal.shape != (directions,):
        raise ValueError(f"normal: must be a number for each of {directions} directions; got {normal.shape}")
    projected = differences if basis is None else _finite(differences) @ basis.T
    noisy = clipped(projected, clip).sum(axis=0) + multiplier * sensitivity(clip, neighbours) * normal
    return (noisy if basis is None else noisy @ basis) / count


def public_basis(differences: np.ndarray, directions: int) -> np.ndarray:
    """Orthonormal rows (k, d) that hold most of differences (n, d) of public images, k at most `directions`.

    About zero, not about their mean: what is released is a sum, and its largest part is along the mean.
    """
    _, sizes, rows = np.linalg.svd(np.asarray(differences, np.float64), full_matrices=False)
    kept = min(directions, int((sizes > sizes[0] * 1e-6).sum()))
    return rows[:kept]


def _finite(differences: np.ndarray) -> np.ndarray:
    rows = np.asarray(differences, np.float64)
    return np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
