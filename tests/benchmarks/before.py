"""How the report judged until statistics became a package: each row, cell and image set by itself."""

import numpy as np
from scipy import stats

from realgap import measuring
from realgap.statistics import auc, mean_interval


def paired_t(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Bounds (2, rows) of values (rows, units) - reference (units,), each row with its own Student interval."""
    each = values - reference
    n_units = each.shape[1]
    half = stats.t.ppf(0.975, n_units - 1) * each.std(axis=1, ddof=1) / np.sqrt(n_units)
    return np.stack([each.mean(axis=1) - half, each.mean(axis=1) + half])


def told(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Which rows' intervals exclude zero, (rows,) bool."""
    low, high = paired_t(values, reference)
    return (low > 0) | (high < 0)


def any_cell(own: np.ndarray, other: np.ndarray) -> bool:
    """Whether any cell's interval lies above zero, from (units, cells) of both: the largest of them was named."""
    return bool((paired_t(own.T - other.T, np.zeros(len(own)))[0] > 0).any())


def calibration(gaps: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """What each image adds to the expected calibration error, (n,): its mean is the error."""
    sums = np.bincount(bins, gaps)
    return np.sign(sums)[bins] * gaps


def gives_away(members: np.ndarray, others: np.ndarray) -> bool:
    """Whether the interval over units of the AUC of losses (units, images) excludes one half."""
    _, low, high = mean_interval([auc(-one, -other) for one, other in zip(members, others, strict=True)])
    return low > 0.5 or high < 0.5


def measured(reference: np.ndarray, own: np.ndarray, control: np.ndarray, seed: int) -> dict[str, bool]:
    """metric -> whether the bootstrap interval of its difference to the control excludes zero."""
    images = {name: measuring.Images(x, np.zeros(len(x), int)) for name, x in (("own", own), ("control", control))}
    rows = measuring.measure(
        measuring.Images(reference, np.zeros(len(reference), int)), images, "control", "network", seed
    )
    judged = [row for row in rows if row.label == "all" and row.source == "own"]
    return {row.metric: row.difference_low > 0 or row.difference_high < 0 for row in judged}
