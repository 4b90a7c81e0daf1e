"""Where a classifier fails: by class, by confusion, by confidence, and far from its training data.

Predictions and correctness are (seeds, n) for the same n test images in the same order; a seed is the unit.
"""

from typing import NamedTuple

import numpy as np

from realgap.statistics import paired_difference
from realgap.statistics.crossed import variances
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


def family_p(
    labels: np.ndarray, predictions: np.ndarray, reference: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether class accuracies (num_classes,) and confusions (num_classes, num_classes) differ: p, each one family.

    labels: (n,). predictions, reference: (seeds, n) of the same test images. p is adjusted by families.stand_out, for
    all classes, and for all confusions; nan on the diagonal, for classes without images, and for one seed.
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
            means[:, label, called], of_images[label, called] = each.mean(axis=1), variances(each)[1]
    diagonal = np.arange(num_classes), np.arange(num_classes)
    classes = stand_out(means[:, *diagonal], of_images[diagonal]).p_values
    means[:, *diagonal] = np.nan
    return classes, stand_out(means, of_images).p_values


def paired_differences(
    values: np.ndarray, reference: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`paired_difference` over the first axis, seeds, of (seeds, ...): (difference, low, high), each (...).

    Of two confusion tensors this is where a training set errs more, or less, than the reference. Each cell
    has its own interval: of a hundred cells without a difference, five exclude zero at 0.95.
    """
    values, reference = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if values.shape != reference.shape:
        raise ValueError(f"reference: must have the shape of values, {values.shape}, got {reference.shape}")
    cells = zip(values.reshape(len(values), -1).T, reference.reshape(len(values), -1).T, strict=True)
    results = [paired_difference(*cell, confidence) if np.isfinite(cell).all() else (np.nan,) * 3 for cell in cells]
    difference, low, high = np.array(results).T.reshape(3, *values.shape[1:])
    return difference, low, high


def reliability(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> Reliability:
    """Confidence against accuracy: logits (n, classes), labels (n,), in `bins` of equal width."""
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = 1 / probabilities.sum(axis=1)  # the largest of them is exp(0)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.digitize(confidence, edges, right=True) - 1  # bin i is (edge i, edge i+1]
    correct = logits.argmax(axis=1) == labels
    count = np.bincount(bin_of, minlength=bins)
    means = (
        np.divide(sums, count, out=np.full(bins, np.nan), where=count > 0)
        for sums in (np.bincount(bin_of, weights, bins) for weights in (confidence, correct))
    )
    return Reliability(edges, count, *means)


def calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error in [0, 1]: mean over images of |confidence - accuracy| of their bin.

    Biased upwards for few images. Source: Guo et al. 2017, arXiv 1706.04599, eq. 3.
    """
    result = reliability(logits, labels, bins)
    gaps = np.abs(result.confidence - result.accuracy)
    return float(np.nansum(gaps * result.count) / result.count.sum())


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


def bin_accuracy(correct: np.ndarray, bin_of: np.ndarray) -> np.ndarray:
    """Accuracy in each bin, (seeds, bins), of correctness (seeds, n) bool and bins (n,) int."""
    bin_of = np.asarray(bin_of)
    correct = _seeds("correct", correct, len(bin_of))
    return np.stack([correct[:, bin_of == each].mean(axis=1) for each in range(bin_of.max() + 1)], axis=1)


def edge_loss(
    correct: np.ndarray, reference: np.ndarray, bin_of: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """How much further a training set falls behind the reference at the edge than near the real data.

    (loss, low, high) in accuracy, paired by seed: (reference - own) in the last bin minus the same in
    the first; above 0, it covers the average case better than the rest. correct, reference: (seeds, n) bool.
    """
    own, other = (bin_accuracy(each, bin_of)[:, [0, -1]] for each in (correct, reference))
    falls = (accuracy[:, 0] - accuracy[:, 1] for accuracy in (own, other))
    return paired_difference(*falls, confidence)


def edge_verdict(loss: float, low: float, high: float) -> str:
    """`edge_loss` in a plain sentence about the training set, compared with the reference."""
    edge = "at the edge of the real training data"
    if np.isnan(low):
        return f"undecided: one seed, {loss:+.3f} further behind {edge} than near it"
    half = (high - low) / 2
    if low <= 0 <= high:
        return f"as far behind {edge} as near it: {loss:+.3f} ± {half:.3f}"
    return f"{abs(loss):.3f} ± {half:.3f} {'further' if loss > 0 else 'less far'} behind {edge} than near it"


def _seeds(name: str, values: np.ndarray, n: int) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != n:
        raise ValueError(f"{name}: must be (seeds, {n}), got shape {values.shape}")
    return values
