"""A generated set against its control beside the same reference images: every metric by exchange of their images.

Takes the place of a bootstrap over images with fixed balls, whose intervals were half as wide as they have to be for
coverage and twice as wide for distances (workflow/docs/statistics.md).
"""

from collections.abc import Callable

import numpy as np
from scipy import linalg
from sklearn.metrics import pairwise_distances

from realgap.analyses.fidelity import distances
from realgap.statistics.exchange import Exchange, any_hit, mean_of, memberships, reached, summary

Metric = Callable[[np.ndarray], np.ndarray]


def exchanged(
    reference: np.ndarray,
    own: np.ndarray,
    control: np.ndarray,
    extractor: str,
    seed: int,
    k: int = 5,
    permutations: int = 199,
    paired: bool = False,
) -> dict[str, np.ndarray]:
    """Metric -> its value for `own` minus that for `control`, as they are and dealt anew, (1 + permutations,).

    Features (n, d), (m, d) and (c, d), m = c if paired; statistics.exchange.summary makes an interval of the result.
    Names and meaning of the metrics as in realgap.analyses.fidelity.measures. Sets of different size compare only
    where a metric does not depend on size (precision, density, nearest_distance). Time is that of `permutations`
    pairs of sets, most of it for the Frechet distance; memory that of the distances between all images.
    ValueError if a set has no more than k images.
    """
    pooled = np.concatenate([own, control]).astype(np.float64)
    rows = memberships(len(own), len(control), seed, permutations, paired)
    metrics = _metrics(np.asarray(reference, np.float64), pooled, extractor, k)
    return {name: metric(rows) - metric(1 - rows) for name, metric in metrics.items()}


def contrasts(*arguments, **options) -> dict[str, Exchange]:
    """Metric -> its difference with interval and p by itself; arguments as `exchanged` takes them."""
    return {name: summary(differences) for name, differences in exchanged(*arguments, **options).items()}


def _metrics(reference: np.ndarray, pooled: np.ndarray, extractor: str, k: int) -> dict[str, Metric]:
    to_reference, within = pairwise_distances(pooled, reference), pairwise_distances(reference)
    if not 1 <= k < len(reference):
        raise ValueError(f"k: must be at least 1 and below the number of reference images, {len(reference)}, got {k}")
    inside = to_reference < np.partition(within, k, axis=1)[:, k]  # an image's nearest neighbour is itself
    frechet, kernel = distances.distance_names(extractor)
    nearest = to_reference.min(axis=1)
    return {
        frechet: _frechet(reference, pooled),
        kernel: lambda rows: distances.weighted_kernel_distances(
            reference, pooled, np.ones((len(rows), len(reference))), rows
        ),
        "precision": mean_of(inside.any(axis=1)),
        "density": mean_of(inside.sum(axis=1) / k),
        "recall": reached(to_reference, pairwise_distances(pooled), k),
        "coverage": any_hit(inside),
        "nearest_distance": lambda rows: np.array([np.median(nearest[row > 0]) for row in rows]),
    }


def _frechet(reference: np.ndarray, pooled: np.ndarray) -> Metric:
    """distances.frechet_distance of each row's images; what the reference costs is paid once, not for each row."""
    centre, centred = reference.mean(axis=0), reference - reference.mean(axis=0)
    of_reference = centred / np.sqrt(len(reference) - 1)
    # F with F F^T = S1: tr sqrt(S1 S2) is the sum of roots of the eigenvalues of F^T S2 F, the covariance of z F
    factor = (
        of_reference.T
        if len(reference) <= reference.shape[1]
        else linalg.cholesky(of_reference.T @ of_reference + 1e-12 * np.eye(reference.shape[1]), lower=True)
    )
    seen = (pooled - centre) @ factor

    def distance(row: np.ndarray) -> float:
        own = row > 0
        z = (seen[own] - seen[own].mean(axis=0)) / np.sqrt(own.sum() - 1)
        gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
        overlap = np.sqrt(np.maximum(linalg.eigvalsh(gram, check_finite=False), 0)).sum()
        shift = pooled[own].mean(axis=0) - centre
        spread = pooled[own].var(axis=0, ddof=1).sum() + (of_reference**2).sum()
        return shift @ shift + spread - 2 * overlap

    return lambda rows: np.array([distance(row) for row in rows])
