"""How the report judged until statistics became a package: each row, cell and image set by itself."""

import numpy as np
from scipy import stats

from realgap.analyses.fidelity import distances
from realgap.statistics import auc, mean_interval
from realgap.streams import stream


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


def measured(reference: np.ndarray, own: np.ndarray, control: np.ndarray, seed: int, k: int = 5) -> dict[str, bool]:
    """metric -> whether the bootstrap interval of its difference to the control excludes zero, balls held fixed."""
    rng = stream(seed, "bootstrap")
    drawn = [
        np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), 100)]) for n in map(len, (reference, own, control))
    ]
    each = [_draws(reference, x, drawn[0], weights, k) for x, weights in ((own, drawn[1]), (control, drawn[2]))]
    told = {}
    for metric in each[0]:
        value, *resampled = each[0][metric] - each[1][metric]
        shift = value - np.mean(resampled) if metric.startswith("fd") else 0.0
        low, high = np.quantile(resampled, [0.025, 0.975]) + shift
        told[metric] = bool(low > 0 or high < 0)
    return told


def _draws(reference: np.ndarray, own: np.ndarray, real_weights: np.ndarray, weights: np.ndarray, k: int) -> dict:
    """metric -> (1 + resamples,), the value first."""
    covered, (nearest, _) = distances.coverage(reference, own, k), distances.nearest(own, reference)
    return {
        "fd_network": distances.weighted_frechet_distances(reference, own, real_weights, weights),
        "kd_network": distances.weighted_kernel_distances(reference, own, real_weights, weights),
        "precision": weights @ covered.precision / len(own),
        "density": weights @ covered.density / len(own),
        "recall": real_weights @ covered.recall / len(reference),
        "coverage": real_weights @ covered.coverage / len(reference),
        "nearest_distance": np.array([np.median(np.repeat(nearest, row.astype(int))) for row in weights]),
    }
