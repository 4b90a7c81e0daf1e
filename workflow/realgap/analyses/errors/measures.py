"""Where a classifier fails: by class, by confusion, by confidence, and far from its training data.

Predictions and correctness are (seeds, n) for the same n test images in the same order; a seed is the unit.
"""

from typing import NamedTuple

import numpy as np

from realgap.statistics.crossed import half_width, variances
from realgap.statistics.families import stand_out


class Reliability(NamedTuple):
    """Test images binned by confidence, the probability of the predicted class; nan in an empty bin."""

    edges: np.ndarray  # (bins + 1,), from 0 to 1
    count: np.ndarray  # (bins,) int64
    confidence: np.ndarray  # (bins,) mean
    accuracy: np.ndarray  # (bins,)


def confusion(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Share of class i that is called j, (seeds, num_classes, num_classes) float64; nan if i has no images.

    labels: (n,) int. predictions: (seeds, n) int. The diagonal is the accuracy of each class.
    """
    labels, predictions = np.asarray(labels), _seeds("predictions", predictions, len(labels))
    named = np.concatenate([labels, predictions.ravel()])
    if ((named < 0) | (named >= num_classes)).any():
        raise ValueError(f"labels, predictions: must be classes 0 to {num_classes - 1}")
    cells = labels * num_classes + predictions
    counts = np.stack([np.bincount(row, minlength=num_classes**2) for row in cells])
    counts = counts.reshape(-1, num_classes, num_classes).astype(np.float64)
    total = counts.sum(axis=2, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def class_accuracy(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Accuracy of each class, (seeds, num_classes) float64; arguments as in `confusion`."""
    return np.diagonal(confusion(labels, predictions, num_classes), axis1=1, axis2=2).copy()


class Cells(NamedTuple):
    """Confusions of a training set minus those of the reference, each (classes, classes); the diagonal is accuracy.

    nan where a class has no images, and all but the difference for one seed.
    """

    difference: np.ndarray
    low: np.ndarray  # 95 % intervals over seeds and test images, each cell by itself
    high: np.ndarray
    family_p: np.ndarray  # of all classes for the diagonal, of all confusions for the others


def cells(labels: np.ndarray, predictions: np.ndarray, reference: np.ndarray, num_classes: int) -> Cells:
    """Whether class accuracies and confusions differ, each a family of statistics.families.stand_out.

    labels: (n,). predictions, reference: (seeds, n) of the same test images. What no image shows is taken as known to
    one image of its class, so that equal counts of few seeds are no certainty.
    """
    labels = np.asarray(labels)
    own, other = (
        _seeds(which, one, len(labels)) for which, one in (("predictions", predictions), ("reference", reference))
    )
    means = np.full((len(own), num_classes, num_classes), np.nan)
    of_images = np.full((num_classes, num_classes), np.nan)
    for label in np.unique(labels):
        rows = labels == label
        for called in range(num_classes):
            each = (own[:, rows] == called) - (other[:, rows] == called).astype(np.int8)
            means[:, label, called] = each.mean(axis=1)
            of_images[label, called] = max(variances(each)[1] if rows.sum() > 1 else 0, 1 / rows.sum() ** 2)
    diagonal, p = np.eye(num_classes, dtype=bool), np.full((num_classes, num_classes), np.nan)
    for family in (diagonal, ~diagonal):
        p[family] = stand_out(means[:, family], of_images[family]).p_values
    difference, half = means.mean(axis=0), np.full((num_classes, num_classes), np.nan)
    known = np.isfinite(difference)
    if len(own) > 1:
        of_seeds = means[:, known].var(axis=0, ddof=1) / len(own)
        half[known] = half_width(of_seeds, len(own) - 1, of_images[known])
    return Cells(difference, np.maximum(difference - half, -1), np.minimum(difference + half, 1), p)


def reliability(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> Reliability:
    """Confidence against accuracy: logits (n, classes), labels (n,), in `bins` of equal width."""
    confidence, correct, bin_of = _binned(logits, labels, bins)
    count = np.bincount(bin_of, minlength=bins)
    means = (
        np.divide(sums, count, out=np.full(bins, np.nan), where=count > 0)
        for sums in (np.bincount(bin_of, weights, bins) for weights in (confidence, correct))
    )
    return Reliability(np.linspace(0, 1, bins + 1), count, *means)


def calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error in [0, 1]: mean over images of |confidence - accuracy| of their bin.

    Biased upwards for few images. Source: Guo et al. 2017, arXiv 1706.04599, eq. 3.
    """
    return float(calibration_parts(logits, labels, bins).mean())


def calibration_parts(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> np.ndarray:
    """What each image adds to `calibration_error`, (n,): its own confidence - correctness, with the sign of its bin."""
    confidence, correct, bin_of = _binned(logits, labels, bins)
    gaps = confidence - correct
    return np.sign(np.bincount(bin_of, gaps, bins))[bin_of] * gaps


def distance_bins(distances: np.ndarray, labels: np.ndarray, bins: int = 5) -> np.ndarray:
    """Bin of each test image by its distance to the real training data, (n,) int64: 0 nearest, last the edge.

    distances: (n,), e.g. `fidelity.nearest` in features of the real-trained classifier. Cut into equal
    numbers within each class, so that every bin holds the same mixture of classes. ValueError if a class
    has fewer images than bins.
    """
    distances, labels = np.asarray(distances), np.asarray(labels)
    result = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < bins:
            raise ValueError(f"bins: must be at most {len(rows)}, the images of class {label}, got {bins}")
        ranks = np.argsort(np.argsort(distances[rows], kind="stable"))
        result[rows] = ranks * bins // len(rows)
    return result


def _binned(logits: np.ndarray, labels: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence, correctness and bin of each image, (n,) each; bin i is (i / bins, (i + 1) / bins]."""
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = 1 / probabilities.sum(axis=1)  # the largest of them is exp(0)
    bin_of = np.digitize(confidence, np.linspace(0, 1, bins + 1), right=True) - 1
    return confidence, logits.argmax(axis=1) == labels, bin_of


def _seeds(name: str, values: np.ndarray, n: int) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != n:
        raise ValueError(f"{name}: must be (seeds, {n}), got shape {values.shape}")
    return values
