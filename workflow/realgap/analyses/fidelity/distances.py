"""How far generated images are from real ones, and how much of the real ones they cover, by their features.

Everything starts from features (n, d), extracted once by whatever network. A distance is called FID or KID
only if that network is Inception; else it carries the network's name, `fd_resnet18`: values don't compare.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg
from sklearn.metrics import pairwise_distances_argmin_min, pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from realgap.streams import stream


@dataclass(frozen=True)
class Moments:
    """Sums over features in float64; those of two shards add up to those of both."""

    n: float
    total: np.ndarray  # (d,), sum of x
    outer: np.ndarray  # (d, d), sum of x x^T

    @classmethod
    def of(cls, features: np.ndarray, weights: np.ndarray | None = None) -> "Moments":
        """The sums of features (n, d), each counted `weights` (n,) times if these are given."""
        features = _features("features", features)
        if weights is None:
            weights = np.ones(len(features))
        return cls(weights.sum(), weights @ features, features.T @ (features * weights[:, None]))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n + other.n, self.total + other.total, self.outer + other.outer)

    @property
    def mean(self) -> np.ndarray:
        return self.total / self.n

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, (d, d). ValueError below two images."""
        if self.n < 2:
            raise ValueError(f"features: must be of at least 2 images for a covariance, got {self.n}")
        return (self.outer - np.outer(self.total, self.mean)) / (self.n - 1)


class Coverage(NamedTuple):
    """Per image; the mean of each is the metric of that name."""

    precision: np.ndarray  # (n_generated,) bool, inside a ball of some real image
    density: np.ndarray  # (n_generated,) float64, real balls it is in, over k
    recall: np.ndarray  # (n_real,) bool, inside a ball of some generated image
    coverage: np.ndarray  # (n_real,) bool, some generated image is in its ball


def frechet_distance(real: Moments, generated: Moments) -> float:
    """Squared Frechet distance of the two normal distributions with these moments, in feature units squared.

    Biased upwards by about 1/n, so compare sets of equal size; with fewer images than features it is
    mostly that bias. Source: Heusel et al. 2017, arXiv 1706.08500.
    """
    first, second = real.covariance, generated.covariance
    # tr sqrt(S1 S2) with S1 = F F^T is the sum of the roots of the eigenvalues of F^T S2 F, which is
    # symmetric: 8 times as fast as a matrix root, and never complex
    factor = _factor(first)
    eigenvalues = linalg.eigvalsh(factor.T @ second @ factor)
    overlap = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    shift = real.mean - generated.mean
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * overlap)


def kernel_distance(real: np.ndarray, generated: np.ndarray, block: int = 1024) -> float:
    """Squared maximum mean discrepancy of features (n, d) and (m, d), cubic kernel: the full U-statistic.

    Unbiased: 0 in the mean for two samples of one distribution, so slightly negative values occur. Memory
    block * max(n, m). Source: Binkowski et al. 2018, arXiv 1801.01401.
    """
    ones = np.ones((1, len(real))), np.ones((1, len(generated)))
    return float(weighted_kernel_distances(real, generated, *ones, block)[0])


def weighted_frechet_distances(
    real: np.ndarray, generated: np.ndarray, real_weights: np.ndarray, generated_weights: np.ndarray
) -> np.ndarray:
    """`frechet_distance` for each row of whole weights, (r, n) and (r, m), on features (n, d) and (m, d): (r,).

    A weight says how often an image is counted, so rows of a multinomial are resamples of the images.
    """
    real, generated = _features("real", real), _features("generated", generated)
    few = min(len(real), len(generated)) < real.shape[1]
    distance = _frechet_distance_of_few if few else _frechet_distance_of_many
    pairs = zip(real_weights, generated_weights, strict=True)
    return np.array([distance(real, generated, *weights) for weights in pairs])


def weighted_kernel_distances(
    real: np.ndarray,
    generated: np.ndarray,
    real_weights: np.ndarray,
    generated_weights: np.ndarray,
    block: int = 1024,
) -> np.ndarray:
    """`kernel_distance` for each row of weights, (r, n) and (r, m), in one pass over the kernel: (r,).

    An image isn't paired with itself, nor with its copies, which only resampling makes: so the U-statistic of a
    resample stays unbiased.
    """
    real, generated = _features("real", real), _features("generated", generated)
    within = (
        _kernel_sum(x, x, w, w, block, diagonal=False) / (w.sum(axis=1) ** 2 - (w**2).sum(axis=1))
        for x, w in ((real, real_weights), (generated, generated_weights))
    )
    between = _kernel_sum(real, generated, real_weights, generated_weights, block, diagonal=True)
    return sum(within) - 2 * between / (real_weights.sum(axis=1) * generated_weights.sum(axis=1))


def kernel_distance_subsets(
    real: np.ndarray, generated: np.ndarray, seed: int, subsets: int = 100, size: int = 1000
) -> tuple[float, float]:
    """Mean and standard deviation of `kernel_distance` over random subsets, as KID is published.

    size: images per subset and side, or as many as there are. The deviation is that of one subset, not an
    error of the mean.
    """
    size = min(size, len(real), len(generated))
    distances = []
    for subset in range(subsets):
        rng = stream(seed, "kernel distance subset", subset)
        rows = (rng.choice(len(x), size, replace=False) for x in (real, generated))
        distances.append(kernel_distance(real[next(rows)], generated[next(rows)]))
    return float(np.mean(distances)), float(np.std(distances))


def coverage(real: np.ndarray, generated: np.ndarray, k: int = 5) -> Coverage:
    """Precision, density, recall and coverage of features (n, d) and (m, d), per image, by k neighbours.

    An image's ball reaches to its k-th nearest neighbour of its own side. Distances are made block by block.
    ValueError unless both sides have more than k images. Source: Naeem et al. 2020, arXiv 2002.09797;
    precision and recall after Kynkaanniemi et al. 2019, arXiv 1904.06991.
    """
    real, generated = _features("real", real), _features("generated", generated)
    reach, reach_of_generated = _reach("real", real, k), _reach("generated", generated, k)
    inside, recalled, nearest_generated = [], np.zeros(len(real), bool), np.full(len(real), np.inf)
    start = 0
    for distances in pairwise_distances_chunked(generated, real, working_memory=64):  # MB
        rows = slice(start, start := start + len(distances))
        inside.append((distances < reach).sum(axis=1))
        recalled |= (distances < reach_of_generated[rows, None]).any(axis=0)
        np.minimum(nearest_generated, distances.min(axis=0), out=nearest_generated)
    inside = np.concatenate(inside)
    return Coverage(inside > 0, inside / k, recalled, nearest_generated < reach)


def nearest(features: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (n,) of each of `features` (n, d) to the closest of `references` (m, d), and which (n,)."""
    features, references = _features("features", features), _features("references", references)
    index, _ = pairwise_distances_argmin_min(features, references)
    # the search expands (x - y)^2 and leaves about 1e-7 where a copy has distance 0
    return np.linalg.norm(features - references[index], axis=1), index


def distance_names(extractor: str) -> tuple[str, str]:
    """What the Frechet and the kernel distance are called with features of that network."""
    return ("fid", "kid") if extractor == "inception" else (f"fd_{extractor}", f"kd_{extractor}")


def _frechet_distance_of_many(
    real: np.ndarray, generated: np.ndarray, real_weights: np.ndarray, generated_weights: np.ndarray
) -> float:
    return frechet_distance(Moments.of(real, real_weights), Moments.of(generated, generated_weights))


def _frechet_distance_of_few(
    real: np.ndarray, generated: np.ndarray, real_weights: np.ndarray, generated_weights: np.ndarray
) -> float:
    """The same without a covariance: with S = X^T X, tr sqrt(S1 S2) is the sum of singular values of X1 X2^T."""
    scaled = []
    for features, weights in ((real, real_weights), (generated, generated_weights)):
        mean = weights @ features / weights.sum()
        scaled.append((mean, (features - mean) * np.sqrt(weights / (weights.sum() - 1))[:, None]))
    (mean, x), (other_mean, y) = scaled
    product = x @ y.T
    gram = product @ product.T if len(x) < len(y) else product.T @ product
    overlap = np.sqrt(np.maximum(linalg.eigvalsh(gram), 0)).sum()
    shift = mean - other_mean
    return float(shift @ shift + (x**2).sum() + (y**2).sum() - 2 * overlap)


def _factor(covariance: np.ndarray) -> np.ndarray:
    """F with F F^T = covariance."""
    try:
        return linalg.cholesky(covariance, lower=True)
    except linalg.LinAlgError:  # fewer images than features: singular, and a hair below 0 by rounding
        values, vectors = linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0))


def _kernel_sum(
    x: np.ndarray, y: np.ndarray, x_weights: np.ndarray, y_weights: np.ndarray, block: int, diagonal: bool
) -> np.ndarray:
    """Sum over pairs of x_weights y_weights (x y / d + 1)^3 for each row of weights, (r,)."""
    total = np.zeros(len(x_weights))
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        kernel = (x[rows] @ y.T / x.shape[1] + 1) ** 3
        if not diagonal:
            kernel[np.arange(len(kernel)), np.arange(start, start + len(kernel))] = 0
        total += np.einsum("rb,rb->r", x_weights[:, rows], y_weights @ kernel.T)
    return total


def _reach(side: str, features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each image to its k-th nearest neighbour among the others, (n,)."""
    if not 1 <= k < len(features):
        raise ValueError(f"k: must be at least 1 and below the number of {side} images, {len(features)}, got {k}")
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features).kneighbors()[0][:, -1]


def _features(name: str, features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) == 0 or not np.isfinite(features).all():
        raise ValueError(f"{name}: must be finite features (n, d) with n > 0, got shape {features.shape}")
    return features
