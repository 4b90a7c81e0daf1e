"""How far generated images are from real ones, and how much of the real ones they cover, by their features.

Everything starts from features (n, d), extracted once by whatever network. A distance is called FID or KID
only if that network is Inception; else it carries the network's name, `fd_resnet18`: values don't compare.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg
from sklearn.metrics import pairwise_distances_argmin_min, pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from realgap.statistics import bootstrap_interval
from realgap.streams import stream


@dataclass(frozen=True)
class Moments:
    """Sums over features in float64; those of two shards add up to those of both."""

    n: int
    total: np.ndarray  # (d,), sum of x
    outer: np.ndarray  # (d, d), sum of x x^T

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """The sums of features (n, d)."""
        features = _features("features", features)
        return cls(len(features), features.sum(axis=0), features.T @ features)

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
    return float(_weighted_kernel_distance(real, generated, *ones, block)[0])


def kernel_distance_interval(
    real: np.ndarray, generated: np.ndarray, seed: int, resamples: int = 200, confidence: float = 0.95
) -> tuple[float, float, float]:
    """`kernel_distance` with its percentile bootstrap interval over images: (distance, low, high).

    A pair of copies of one image, which only resampling makes, isn't counted, so the U-statistic stays
    unbiased. All resamples are weights on one pass over the kernel.
    """
    rng = stream(seed, "kernel distance")
    weights = [
        np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), resamples)]) for n in (len(real), len(generated))
    ]
    distances = _weighted_kernel_distance(real, generated, *weights)
    low, high = np.quantile(distances[1:], [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(distances[0]), float(low), float(high)


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


def frechet_distance_interval(
    real: np.ndarray, generated: np.ndarray, seed: int, resamples: int = 50, confidence: float = 0.95
) -> tuple[float, float, float]:
    """`frechet_distance` of features (n, d), (m, d) with its bootstrap interval: (distance, low, high).

    The interval is centred, since each resample is biased upwards once more; it speaks of the spread at this
    number of images, not of that bias.
    """
    real, generated = _features("real", real), _features("generated", generated)
    if len(real) + len(generated) < real.shape[1]:
        # all of them lie in a space of as many dimensions as images: rotating into it changes no distance
        rotated = linalg.qr(np.vstack([real, generated]).T, mode="r")[0][: len(real) + len(generated)].T
        real, generated = rotated[: len(real)], rotated[len(real) :]
    return bootstrap_interval(
        (real, generated),
        lambda x, y: frechet_distance(Moments.of(x), Moments.of(y)),
        seed,
        resamples,
        confidence,
        centred=True,
    )


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


class Measurement(NamedTuple):
    """One row: a metric of a generated set against real images, of one class or of all."""

    metric: str
    label: int | str  # class index, or "all"
    value: float
    low: float
    high: float
    n_real: int
    n_generated: int


def measure(
    real: np.ndarray,
    real_labels: np.ndarray,
    generated: np.ndarray,
    generated_labels: np.ndarray,
    extractor: str,
    seed: int,
    k: int = 5,
    resamples: int = 50,
    confidence: float = 0.95,
) -> Iterator[Measurement]:
    """All metrics with bootstrap intervals over images, for all images and then for each class.

    real, generated: features (n, d), (m, d) by the network called `extractor`; labels (n,), (m,) int.
    Intervals of precision, recall, density and coverage hold the balls of both sides fixed. Yields rows,
    since a large study takes minutes for each class. ValueError if a class has no more than k images.
    """
    for label in ["all", *np.unique(np.concatenate([real_labels, generated_labels])).tolist()]:
        x, y = real, generated
        if label != "all":
            x, y = real[real_labels == label], generated[generated_labels == label]
        covered = coverage(x, y, k)._asdict()
        frechet, kernel = distance_names(extractor)
        intervals = {
            frechet: frechet_distance_interval(x, y, seed, resamples, confidence),
            kernel: kernel_distance_interval(x, y, seed, resamples, confidence),
            **{name: bootstrap_interval(v, np.mean, seed, 1000, confidence) for name, v in covered.items()},
            "nearest_distance": bootstrap_interval(nearest(y, x)[0], np.median, seed, 1000, confidence),
        }
        for metric, interval in intervals.items():
            yield Measurement(metric, label, *interval, len(x), len(y))


def distance_names(extractor: str) -> tuple[str, str]:
    """What the Frechet and the kernel distance are called with features of that network."""
    return ("fid", "kid") if extractor == "inception" else (f"fd_{extractor}", f"kd_{extractor}")


def _factor(covariance: np.ndarray) -> np.ndarray:
    """F with F F^T = covariance."""
    try:
        return linalg.cholesky(covariance, lower=True)
    except linalg.LinAlgError:  # fewer images than features: singular, and a hair below 0 by rounding
        values, vectors = linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0))


def _weighted_kernel_distance(
    real: np.ndarray,
    generated: np.ndarray,
    real_weights: np.ndarray,
    generated_weights: np.ndarray,
    block: int = 1024,
) -> np.ndarray:
    """The U-statistic for each row of weights, (r, n) and (r, m): (r,). An image isn't paired with itself."""
    real, generated = _features("real", real), _features("generated", generated)
    within = (
        _kernel_sum(x, x, w, w, block, diagonal=False) / (w.sum(axis=1) ** 2 - (w**2).sum(axis=1))
        for x, w in ((real, real_weights), (generated, generated_weights))
    )
    between = _kernel_sum(real, generated, real_weights, generated_weights, block, diagonal=True)
    return sum(within) - 2 * between / (real_weights.sum(axis=1) * generated_weights.sum(axis=1))


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
