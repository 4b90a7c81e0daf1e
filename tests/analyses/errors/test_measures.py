import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import confusion_matrix

from realgap.analyses.errors.measures import (
    calibration_error,
    calibration_parts,
    cells,
    class_accuracy,
    confusion,
    distance_bins,
    reliability,
)


def predictions(seed, labels, accuracy, n_seeds=4, num_classes=3):
    """(seeds, n): right with probability `accuracy` (n,), else the next class."""
    right = np.random.default_rng(seed).random((n_seeds, len(labels))) < accuracy
    return np.where(right, labels, (labels + 1) % num_classes)


def logits_with(confidence, classes=10):
    """Logits (n, classes) whose largest probability, that of class 0, is `confidence` (n,)."""
    rest = np.repeat((1 - confidence)[:, None] / (classes - 1), classes - 1, axis=1)
    return np.log(np.column_stack([confidence, rest]))


def test_confusion_equals_scikit_learn():
    labels = np.random.default_rng(0).integers(0, 3, 200)
    called = predictions(1, labels, 0.6)
    for row, matrix in zip(called, confusion(labels, called, 3), strict=True):
        np.testing.assert_allclose(matrix, confusion_matrix(labels, row, normalize="true"))


def test_a_class_without_images_has_no_accuracy():
    accuracy = class_accuracy(np.array([0, 0, 2]), np.array([[0, 1, 2]]), 3)
    np.testing.assert_array_equal(accuracy, [[0.5, np.nan, 1.0]])


def test_a_planted_confusion_is_the_only_one_that_stands_out():
    labels = np.repeat(np.arange(3), 400)
    accuracy = np.full(len(labels), 0.9)
    real = predictions(2, labels, accuracy, n_seeds=8)
    accuracy[labels == 1] = 0.6  # class 1 is called 2 more often
    found = cells(labels, predictions(3, labels, accuracy, n_seeds=8), real, 3)
    assert (found.family_p <= 0.05).tolist() == [[False, False, False], [False, True, True], [False, False, False]]
    assert found.difference[1, 2] == pytest.approx(0.3, abs=0.03)
    assert found.low[1, 2] > 0 > found.high[1, 1]


def test_no_interval_is_of_width_zero_however_equal_the_counts():
    """Three seeds that name the same image, or none, do not make a count certain."""
    labels = np.repeat(np.arange(2), 50)
    own = np.repeat(labels[None], 3, axis=0)
    own[:, 0] = 1
    found = cells(labels, own, np.repeat(labels[None], 3, axis=0), 2)
    assert (found.low < found.difference).all()
    assert (found.difference < found.high).all()
    assert not (found.family_p <= 0.05).any()


def test_the_cells_of_one_seed_have_no_intervals():
    labels = np.repeat(np.arange(2), 20)
    found = cells(labels, labels[None], 1 - labels[None], 2)
    assert found.difference.tolist() == [[1, -1], [-1, 1]]
    assert np.isnan([found.low, found.high, found.family_p]).all()


def test_calibrated_confidence_has_no_error():
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.3, 1, 200_000)
    labels = (rng.random(len(confidence)) > confidence).astype(int)  # class 0, the predicted one, as often as said
    assert calibration_error(logits_with(confidence), labels) < 0.01


def test_overconfidence_is_the_error():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.5, 0.9, 100_000)
    labels = (rng.random(len(confidence)) > confidence - 0.2).astype(int)
    assert calibration_error(logits_with(confidence), labels) == pytest.approx(0.2, abs=0.01)


def test_calibration_of_a_hand_made_case():
    # 0.95 three times with one error, 0.55 twice with two errors: (3 |0.95 - 2/3| + 2 |0.55 - 0|) / 5
    logits, labels = logits_with(np.array([0.95, 0.95, 0.95, 0.55, 0.55])), np.array([0, 0, 1, 1, 1])
    assert calibration_error(logits, labels, bins=10) == pytest.approx((3 * (0.95 - 2 / 3) + 2 * 0.55) / 5)
    bins = reliability(logits, labels, bins=10)
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 3]
    assert bins.accuracy[[5, 9]] == pytest.approx([0, 2 / 3])
    assert np.isnan(bins.accuracy[0])


def test_what_the_images_add_to_the_calibration_error_has_it_for_its_mean():
    logits = np.random.default_rng(1).normal(size=(500, 5)) * 3
    labels = logits.argmax(axis=1) % 4
    found, parts = reliability(logits, labels), calibration_parts(logits, labels)
    by_bins = np.nansum(np.abs(found.confidence - found.accuracy) * found.count) / 500
    assert parts.shape == (500,)
    assert parts.mean() == pytest.approx(by_bins)


def test_calibration_does_not_depend_on_a_shift_of_logits():
    logits = np.random.default_rng(6).normal(size=(100, 5)) * 3
    labels = logits.argmax(axis=1) % 4
    expected = calibration_error(log_softmax(logits, axis=1), labels)
    assert calibration_error(logits + 1000, labels) == pytest.approx(expected)


def test_a_bin_holds_its_upper_edge():
    half, sure = np.array([[0.0, 0.0]]), np.array([[100.0, -100.0]])
    assert reliability(half, np.array([0]), bins=2).count.tolist() == [1, 0]
    assert reliability(sure, np.array([0]), bins=2).count.tolist() == [0, 1]


def test_distance_bins_hold_equal_numbers_of_every_class():
    labels = np.repeat([0, 1], [50, 100])
    distances = np.random.default_rng(7).random(150) + 10 * labels  # class 1 is farther throughout
    bins = distance_bins(distances, labels)
    for label, each in ((0, 10), (1, 20)):
        assert np.bincount(bins[labels == label]).tolist() == [each] * 5
        ordered = bins[labels == label][np.argsort(distances[labels == label])]
        assert (np.diff(ordered) >= 0).all()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"predictions: must be \(seeds, 2\), got shape \(2,\)"):
        confusion(np.array([0, 1]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="labels, predictions: must be classes 0 to 1"):
        confusion(np.array([0, 2]), np.array([[0, 1]]), 2)
    with pytest.raises(ValueError, match="bins: must be at most 2, the images of class 0, got 5"):
        distance_bins(np.zeros(2), np.zeros(2, dtype=int))
