"""What may go wrong with chosen images: wrong labels, sameness, blur, an attention that is gamed."""

import cv2
import numpy as np

from realgap.geometry.structure import STATISTICS, structure


def vendi_score(features: np.ndarray) -> float:
    """How many different images a set amounts to, 1 to n: exp of the entropy of eigenvalues of its similarities / n.

    features: (n, d); similarities are cosines. Source: Friedman and Dieng 2022, arXiv 2210.02410.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    # the products of rows and those of columns have the same eigenvalues but for zeros
    products = unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit
    shares = np.linalg.eigvalsh(products.astype(np.float64) / len(unit))
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def vendi_by_class(features: np.ndarray, labels: np.ndarray, per_class: int) -> float:
    """The mean over classes of the `vendi_score` of the first `per_class` images: of equally many, to be compared."""
    return float(np.mean([vendi_score(features[labels == label][:per_class]) for label in np.unique(labels)]))


def sharpness(images: np.ndarray) -> np.ndarray:
    """Share of the power above half the Nyquist frequency of uint8 (n, h, w, 3): float64 (n,); blur lowers it."""
    at = STATISTICS.index("high_frequency_share")
    return np.array([structure(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[at] for image in images])
