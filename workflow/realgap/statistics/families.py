"""Which of many cells stand out: classes, confusions, settings; one error rate for the whole family.

Picking the largest of ninety cells and then looking at its own interval finds something in most studies without any
effect. Here 5 % is the chance that any cell is named when none differs.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from realgap.statistics.crossed import p_value
from realgap.statistics.intervals import holm
from realgap.streams import stream

EXACT = 4096  # arrangements of signs that are all tried; above, 9,999 are drawn
SIGN_FLIPS, HOLM, NOTHING = "sign flips", "Holm", "nothing can be said"


class Family(NamedTuple):
    """What a joint test of cells found; cells keep the shape they came in."""

    stands_out: np.ndarray  # bool
    p_values: np.ndarray  # adjusted for the family; nan where nothing can be said
    method: str  # SIGN_FLIPS, HOLM or NOTHING
    smallest_p: float  # that this method could have given with so many units


def stand_out(
    differences: ArrayLike, image_variance: ArrayLike | None = None, seed: int = 0, error: float = 0.05
) -> Family:
    """The cells whose paired differences (units, ...) are not zero in the mean, with one error rate for all.

    image_variance: (...) what the sampling of the test images adds to the variance of each mean
    (`crossed.variances`); needed where cells are counts, since three equal counts do not scatter. Sign flips of whole
    units with the largest statistic of all cells where they can reach `error` (6 units at 5 %); else Student's t of
    each cell with Holm's correction. Cells with a nan are left out. One unit says nothing.
    """
    values = np.asarray(differences, dtype=np.float64)
    cells, shape = values.reshape(len(values), -1), values.shape[1:]
    of_images = np.zeros(cells.shape[1]) if image_variance is None else np.asarray(image_variance, float).ravel()
    known = np.isfinite(cells).all(axis=0) & np.isfinite(of_images)
    p_values, smallest = np.full(cells.shape[1], np.nan), smallest_p(len(cells))
    method = SIGN_FLIPS if smallest <= error else HOLM
    if len(cells) < 2 or not known.any():
        return Family(np.zeros(shape, bool), p_values.reshape(shape), NOTHING, 1.0)
    if method == SIGN_FLIPS:
        p_values[known] = sign_flip_p(cells[:, known], of_images[known], seed)
    else:
        p_values[known], smallest = holm(_t_test(cells[:, known], of_images[known])), 0.0
    return Family((p_values <= error).reshape(shape), p_values.reshape(shape), method, smallest)


def smallest_p(n_units: int) -> float:
    """The smallest p that sign flips of n units can give: 2 / 2**n, 0.25 for three and 0.03 for six."""
    return 2.0 / 2**n_units


def sign_flip_p(cells: np.ndarray, image_variance: np.ndarray, seed: int = 0) -> np.ndarray:
    """Adjusted p (cells,) of paired differences (units, cells), by the largest statistic under all flips of signs.

    A unit's sign flips in all cells at once, which keeps what cells have in common. The step-down form: a cell is
    compared with the cells that are no clearer than itself. Up to EXACT arrangements, every one is tried; with an
    image_variance as often as fills EXACT, each time with another draw of the test images.
    Source: Westfall and Young, Resampling-based multiple testing (1993), algorithm 2.8.
    """
    n_units = len(cells)
    signs = _signs(n_units, seed)
    if image_variance.any():
        signs = np.tile(signs, (max(1, EXACT // len(signs)), 1))
    # does not change with signs, and makes the statistic monotone in Student's t where image_variance is 0
    scale = np.sqrt((cells**2).sum(axis=0) / n_units**2 + image_variance)
    # images that all units share shift all of them alike, whatever the signs: so each arrangement draws its own shift
    shift = stream(seed, "shared images").standard_normal((len(signs), cells.shape[1])) * np.sqrt(image_variance)
    shift[0] = 0
    statistics = np.abs(signs @ cells / n_units + shift)
    statistics = np.divide(statistics, scale, out=np.zeros_like(statistics), where=scale > 0)
    return step_down(statistics)


def step_down(statistics: np.ndarray) -> np.ndarray:
    """Adjusted p (cells,) of statistics (arrangements, cells), large ones against chance, the observed ones first.

    A cell is compared with the largest of the cells that are no clearer than itself, in every arrangement.
    Source: Westfall and Young, Resampling-based multiple testing (1993), algorithm 2.8.
    """
    order = np.argsort(statistics[0])  # clearest cell last
    largest = np.maximum.accumulate(statistics[:, order], axis=1)
    share = (largest >= statistics[0, order] - 1e-12).mean(axis=0)
    adjusted = np.empty(statistics.shape[1])
    adjusted[order] = np.maximum.accumulate(share[::-1])[::-1]
    return adjusted


def _t_test(cells: np.ndarray, image_variance: np.ndarray) -> np.ndarray:
    """Two-sided p (cells,) of the means of (units, cells), each by itself."""
    n_units = len(cells)
    return p_value(cells.mean(axis=0), cells.var(axis=0, ddof=1) / n_units, n_units - 1, image_variance)


def _signs(n_units: int, seed: int) -> np.ndarray:
    """Arrangements of signs (arrangements, units), the observed one first."""
    if 2**n_units <= EXACT:
        return np.array(list(product([1.0, -1.0], repeat=n_units)))
    drawn = stream(seed, "sign flips").choice([1.0, -1.0], (9999, n_units))
    return np.vstack([np.ones(n_units), drawn])
