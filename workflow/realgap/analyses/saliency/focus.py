"""How narrow a classifier's focus is, in metrics, and whether training sets differ in it beyond accuracy.

Maps of wrongly classified images are narrower than those of right ones, whatever the training set: 0.55
against 0.67 in effective area, in one small test. Means over all images therefore confuse focus with error
rate, and the verdict rests on the images that both classifiers get right.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from realgap.statistics.differences import p_of, paired

# metric of a map -> words for a higher and for a lower value
METRICS = {
    "effective_area": ("wider", "narrower"),
    "gini": ("more concentrated", "more even"),
    "half_maximum_area": ("wider at half the maximum", "narrower at half the maximum"),
    "spread": ("more spread out", "less spread out"),
    "centre_weight": ("more central", "less central"),
}

# stratum -> which images a difference is taken on
STRATA = {
    "all": "on all images, error rate included",
    "own_right": "on the images each gets right",
    "own_wrong": "on the images each gets wrong",
    "both_right": "on images both get right",
    "every_right": "on images every classifier gets right",
}


class Comparison(NamedTuple):
    """A training set against the reference in one metric of the maps, on one stratum of the images."""

    training_set: str
    metric: str
    stratum: str
    n_seeds: int
    n_images: float  # mean over seeds, of the training set's side
    mean: float  # over seeds of means over images
    reference_mean: float
    difference: float
    low: float  # of the difference, 95 % over seeds and images
    high: float
    p_value: float  # of the difference by itself


def focus(maps: np.ndarray) -> dict[str, np.ndarray]:
    """The METRICS of raw maps (n, h, w) >= 0, each (n,) float64; an empty map (all zero) gives nan.

    effective_area: exp(entropy) / cells, in (0, 1], 1 for a flat map. gini: inequality of cells, 0 for a flat
    map. half_maximum_area: share of cells above half the maximum. spread: root mean square distance from
    the map's centre of mass, in image sides, 0.41 for a flat map. centre_weight: share inside the central
    half of both sides, 0.25 for a flat map. ValueError if a map is negative or not finite.
    """
    maps = np.asarray(maps, dtype=np.float64)
    if maps.ndim != 3 or not np.isfinite(maps).all() or (maps < 0).any():
        raise ValueError(f"maps: must be (n, h, w), finite and >= 0, got shape {maps.shape}, least {maps.min()}")
    total = maps.sum(axis=(1, 2), keepdims=True)
    shares = np.divide(maps, total, out=np.full_like(maps, np.nan), where=total > 0)
    flat = shares.reshape(len(maps), -1)
    return {
        "effective_area": np.exp(_entropy(flat)) / flat.shape[1],
        "gini": _gini(flat),
        "half_maximum_area": _half_maximum_area(flat),
        "spread": _spread(shares),
        "centre_weight": np.einsum("nhw,h,w->n", shares, *(_centre(side) for side in shares.shape[1:])),
    }


def share_empty(maps: np.ndarray) -> float:
    """Share of raw maps (n, h, w) that are zero everywhere: nothing spoke for the label at that layer."""
    return float((np.asarray(maps).max(axis=(1, 2)) <= 0).mean())


def compare(
    metric: str,
    values: Mapping[str, np.ndarray],
    correct: Mapping[str, np.ndarray],
    reference: str = "real",
) -> list[Comparison]:
    """Rows for every training set but the reference and every stratum, in that order.

    metric: one of METRICS. values: training set -> (seeds, images) of that metric, nan where the map is
    empty. correct: training set -> (seeds, images) bool, the same images and seeds in the same order for
    all. Seeds and images are both samples (statistics.differences.paired). A stratum without images in a seed gives
    nan.
    """
    _check(metric, values, correct, reference)
    every = np.logical_and.reduce([right.all(axis=0) for right in correct.values()])
    rows = []
    for name in values:
        if name == reference:
            continue
        for stratum, chosen in _strata(correct[name], correct[reference], every).items():
            rows.append(_row(name, metric, stratum, values[name], values[reference], *chosen))
    return rows


def pick_images(differences: np.ndarray, count: int = 2) -> dict[str, np.ndarray]:
    """Images to show, by rule: `count` indices each of the least, the median and the most different focus.

    differences: (n,) of a metric of the maps, training set minus reference, averaged over seeds; judged by
    size, not sign; nan is left out. Keys "least", "median", "most". ValueError if the images are too few.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.float64))
    order = np.argsort(sizes, kind="stable")[: np.isfinite(sizes).sum()]  # nan sorts last
    if not 1 <= count <= len(order) // 3:
        raise ValueError(f"count: must be 1 to {len(order) // 3}, a third of the images with maps, got {count}")
    middle = (len(order) - count) // 2
    return {"least": order[:count], "median": order[middle : middle + count], "most": order[-count:]}


def _entropy(shares: np.ndarray) -> np.ndarray:
    return -np.sum(shares * np.log(shares, out=np.zeros_like(shares), where=shares > 0), axis=1)


def _gini(shares: np.ndarray) -> np.ndarray:
    cells = shares.shape[1]
    return np.sort(shares, axis=1) @ (2 * np.arange(1, cells + 1) - cells - 1) / cells


def _half_maximum_area(shares: np.ndarray) -> np.ndarray:
    above = (shares > shares.max(axis=1, keepdims=True) / 2).mean(axis=1)
    return np.where(np.isnan(shares[:, 0]), np.nan, above)


def _spread(shares: np.ndarray) -> np.ndarray:
    variance = 0
    for axis in (1, 2):
        along = shares.sum(axis=3 - axis)
        place = (np.arange(along.shape[1]) + 0.5) / along.shape[1]
        variance += along @ place**2 - (along @ place) ** 2
    return np.sqrt(np.maximum(variance, 0))


def _centre(cells: int) -> np.ndarray:
    """How much of each of `cells` equal parts of a side lies in its central half."""
    edges = np.linspace(0, 1, cells + 1)
    return np.diff(np.clip(edges, 0.25, 0.75)) * cells


def _strata(own: np.ndarray, other: np.ndarray, every: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each of STRATA the images of the training set and of the reference, both (seeds, images) bool.

    own, other: (seeds, images) bool, right in that seed. every: (images,) bool, right in all seeds of all.
    """
    everything, every = np.ones_like(own), np.broadcast_to(every, own.shape)
    return {
        "all": (everything, everything),
        "own_right": (own, other),
        "own_wrong": (~own, ~other),
        "both_right": (own & other, own & other),
        "every_right": (every, every),
    }


def _row(
    training_set: str,
    metric: str,
    stratum: str,
    own: np.ndarray,
    other: np.ndarray,
    chosen: np.ndarray,
    chosen_of_reference: np.ndarray,
) -> Comparison:
    """One row from values and choices (seeds, images) of both sides; an empty map, nan, does not count."""
    known, known_of_reference = np.isfinite(own), np.isfinite(other)
    if np.array_equal(chosen, chosen_of_reference):  # then an image counts on both sides or on neither
        known = known_of_reference = known & known_of_reference
    chosen, chosen_of_reference = chosen & known, chosen_of_reference & known_of_reference
    means = float(_means(own, chosen).mean()), float(_means(other, chosen_of_reference).mean())
    n_images = float(chosen.sum(axis=1).mean())
    if not np.isfinite(means).all():
        return Comparison(training_set, metric, stratum, len(own), n_images, *means, *(np.nan,) * 4)
    found = paired(own, other, chosen, chosen_of_reference)
    return Comparison(training_set, metric, stratum, len(own), n_images, *means, *found[:3], p_of(found))


def _means(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean over the chosen images of each seed, (seeds,); nan where a seed has none."""
    count = chosen.sum(axis=1)
    return np.divide(np.where(chosen, values, 0).sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)


def _check(metric: str, values: Mapping, correct: Mapping, reference: str) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric: must be one of {', '.join(METRICS)}, got '{metric}'")
    if reference not in values:
        raise ValueError(f"reference: must be one of the training sets {', '.join(values)}, got '{reference}'")
    shapes = {name: np.shape(values[name]) for name in values} | {
        f"{name} (correct)": np.shape(correct.get(name)) for name in values
    }
    if len(set(shapes.values())) > 1 or len(shapes[reference]) != 2:
        raise ValueError(f"values, correct: must all be (seeds, images) of one shape, got {shapes}")
