"""Sets of generated images against the same real ones: every metric with its interval and its difference.

A number of a generated set says little by itself: real images that are not the reference have a distance and
a coverage too, which depend on how many they are. So all sets are cut to one size, one of them is the control,
and every row carries the difference to it. Intervals of a set's own numbers are bootstraps over images; those of
differences exchange the images of a set and of the control beside the same reference (contrasts.py).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from realgap.analyses.fidelity import distances
from realgap.analyses.fidelity.contrasts import exchanged
from realgap.statistics.exchange import family_p, summary
from realgap.streams import stream

FEWEST_EXCHANGES = 99  # fewer give no 95 % interval worth the name


class Images(NamedTuple):
    """A set of images by their features."""

    features: np.ndarray  # (n, d)
    labels: np.ndarray  # (n,) int64


class Measurement(NamedTuple):
    """A metric of one set against the reference, for one class or for all, with 95 % intervals."""

    source: str
    metric: str
    label: int | str  # class number, or "all"
    value: float
    low: float
    high: float
    difference: float  # to the control; nan in the control's own rows
    difference_low: float
    difference_high: float
    family_p: float  # of the difference, among all metrics of the set, or among all classes of the set and metric
    n_reference: int
    n_images: int


def measure(
    reference: Images,
    sets: Mapping[str, Images],
    control: str,
    extractor: str,
    seed: int,
    k: int = 5,
    resamples: int = 100,
    confidence: float = 0.95,
) -> Iterator[Measurement]:
    """All metrics of all sets against `reference`, for all images and then for each class.

    control: the key of the set that differences are taken to. extractor: the network of the features. resamples: of
    the bootstrap, and exchanges of the permutation, 99 at least. Bootstrap intervals of precision, recall, density
    and coverage hold the balls of both sides fixed, which makes them too narrow for coverage and recall; those of the
    Frechet distance are centred, since each resample is biased upwards once more.
    ValueError if a class has no more than k images.
    """
    measured: list[Measurement] = []
    dealt: dict[tuple[str, str, int | str], np.ndarray] = {}  # source, metric, label -> exchanged differences
    for label in ["all", *np.unique(reference.labels).tolist()]:
        real, other = _of_class(reference, label), _of_class(sets[control], label)
        for source, images in sets.items():
            own = _of_class(images, label)
            weights = _weights(seed, "reference", len(real), resamples), _weights(seed, source, len(own), resamples)
            found = {}
            if source != control:
                found = exchanged(real, own, other, extractor, seed, k, max(resamples, FEWEST_EXCHANGES))
                dealt |= {(source, metric, label): each for metric, each in found.items()}
            for metric, draws in _draws(real, own, *weights, extractor, k).items():
                centred = metric == distances.distance_names(extractor)[0]
                value = _interval(draws, confidence, centred)
                difference = summary(found[metric])[:3] if found else (np.nan,) * 3
                row = source, metric, label, *value, *difference, np.nan, len(real), len(own)
                measured.append(Measurement(*row))
    p_values = _family_p(dealt)
    for row in measured:
        yield row._replace(family_p=p_values.get((row.source, row.metric, row.label), np.nan))


def _family_p(dealt: Mapping[tuple[str, str, int | str], np.ndarray]) -> dict[tuple[str, str, int | str], float]:
    """p of each: over all images the metrics of a set are a family, by class the classes of a set and metric."""
    families: dict[tuple, list] = {}
    for source, metric, label in dealt:
        family = (source, "all") if label == "all" else (source, metric)
        families.setdefault(family, []).append((source, metric, label))
    found = {}
    for keys in families.values():
        found |= zip(keys, family_p(np.stack([dealt[key] for key in keys], axis=1)).tolist(), strict=True)
    return found


def _of_class(images: Images, label: int | str) -> np.ndarray:
    return images.features if label == "all" else images.features[images.labels == label]


def _weights(seed: int, whose: str, n: int, resamples: int) -> np.ndarray:
    """How often each of n images is counted, (1 + resamples, n): once each, then as drawn with replacement."""
    drawn = stream(seed, "bootstrap", whose, n).multinomial(n, np.full(n, 1 / n), resamples)
    return np.vstack([np.ones(n), drawn])


def _draws(
    real: np.ndarray, own: np.ndarray, real_weights: np.ndarray, weights: np.ndarray, extractor: str, k: int
) -> dict[str, np.ndarray]:
    """metric -> (1 + resamples,): the value, then that of each resample."""
    covered = distances.coverage(real, own, k)
    distance, _ = distances.nearest(own, real)
    frechet, kernel = distances.distance_names(extractor)
    return {
        frechet: distances.weighted_frechet_distances(real, own, real_weights, weights),
        kernel: distances.weighted_kernel_distances(real, own, real_weights, weights),
        "precision": weights @ covered.precision / len(own),
        "density": weights @ covered.density / len(own),
        "recall": real_weights @ covered.recall / len(real),
        "coverage": real_weights @ covered.coverage / len(real),
        "nearest_distance": _each(weights, lambda row: np.median(np.repeat(distance, row.astype(int)))),
    }


def _each(weights: np.ndarray, statistic: Callable[[np.ndarray], float]) -> np.ndarray:
    return np.array([statistic(row) for row in weights])


def _interval(draws: np.ndarray, confidence: float, centred: bool) -> tuple[float, float, float]:
    """The value, draws[0], with the percentiles of the others; centred: with their mean moved onto the value."""
    value, resampled = draws[0], draws[1:]
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    shift = value - resampled.mean() if centred else 0.0
    return float(value), float(low + shift), float(high + shift)
