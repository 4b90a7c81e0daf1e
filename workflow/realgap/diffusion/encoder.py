"""The encoder of an amortised inversion: ridge regression from an image's latents and class to its embedding.

It is fitted in closed form to images whose embeddings were found by gradient descent, and predicts where those of the
other images start. The penalty is the one with the least error on images left out one at a time (Allen 1974, PRESS).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PENALTIES = np.logspace(-2, 5, 15)  # of latents whose root mean square is 1
CLASS_WEIGHT = 10.0  # of the class beside such latents: its mean is hardly penalised, and shrinks where images are few


@dataclass(frozen=True)
class Encoder:
    """What predicts embeddings.

    weights: float32 (features, tokens, width), a row for each number of an image's latents, one for each of `labels`,
    and one for all images.
    """

    weights: np.ndarray
    labels: np.ndarray  # int64 (classes,), ascending


@dataclass(frozen=True)
class Fit:
    """An encoder, the penalty chosen, and the share of the embeddings' variance explained in images left out."""

    encoder: Encoder
    penalty: float
    explained: float


def fit(mean: np.ndarray, labels: np.ndarray, embeddings: np.ndarray) -> Fit:
    """The encoder of some images, at least two.

    mean: float32 (n, c, h, w), of the VAE's posterior; labels: int64 (n,); embeddings: float32 (n, tokens, width).
    The order of the images counts for the last digits alone.
    """
    latents, found = mean.reshape(len(mean), -1).astype(np.float64), embeddings.reshape(len(mean), -1)
    classes = np.unique(labels)
    scale = 1 / max(float((latents - latents.mean(axis=0)).std()), 1e-12)
    seen = np.hstack([scale * latents, CLASS_WEIGHT * (labels[:, None] == classes)])
    middle, target = seen.mean(axis=0), found.mean(axis=0, dtype=np.float64)
    coefficients, penalty, error = ridge(seen - middle, found - target)
    rows = [scale * coefficients[: latents.shape[1]], CLASS_WEIGHT * coefficients[latents.shape[1] :]]
    weights = np.vstack([*rows, target - middle @ coefficients]).astype(np.float32)
    variance = float(np.square(found - target).mean())
    explained = 1 - error / variance if variance else 0.0
    return Fit(Encoder(weights.reshape(-1, *embeddings.shape[1:]), classes), penalty, explained)


def predict(encoder: Encoder, mean: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Embeddings, float32 (n, tokens, width), each computed by itself: its bits do not depend on the others.

    mean, labels: as `fit` takes them. Raises ValueError for latents of another size and for a class it has not seen.
    """
    weights = encoder.weights.reshape(len(encoder.weights), -1).astype(np.float64)
    sizes = len(weights) - len(encoder.labels) - 1, int(np.prod(mean.shape[1:]))
    if sizes[0] != sizes[1]:
        raise ValueError(f"encoder: must be of latents of {sizes[1]} numbers, is of {sizes[0]}")
    if strange := set(np.unique(labels).tolist()) - set(encoder.labels.tolist()):
        raise ValueError(f"encoder: must know all classes, label {min(strange)} is new to it")
    found = [row @ weights for row in _features(encoder, mean, labels)]
    return np.array(found, np.float32).reshape(len(mean), *encoder.weights.shape[1:])


def ridge(seen: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Ridge regression of centred `target` (n, m) on centred `seen` (n, d).

    Returns coefficients (d, m), the penalty among PENALTIES with the least mean square error on rows left out one at a
    time, and that error.
    """
    left, sizes, right = np.linalg.svd(seen, full_matrices=False)
    turned = left.T @ target
    errors = [_left_out(left, sizes, turned, target, penalty) for penalty in PENALTIES]
    penalty = float(PENALTIES[int(np.argmin(errors))])
    return right.T @ ((sizes / (sizes**2 + penalty))[:, None] * turned), penalty, float(min(errors))


def _left_out(left: np.ndarray, sizes: np.ndarray, turned: np.ndarray, target: np.ndarray, penalty: float) -> float:
    """Mean square error of rows left out one at a time; the mean, which centred the columns, leaves each out too."""
    shrunk = sizes**2 / (sizes**2 + penalty)
    own = np.square(left) @ shrunk + 1 / len(left)  # how much of a row's own target its prediction holds
    residuals = target - left @ (shrunk[:, None] * turned)
    return float(np.square(residuals / (1 - own)[:, None]).mean())


def _features(encoder: Encoder, mean: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
    for latents, label in zip(mean, labels, strict=True):
        yield np.concatenate([latents.ravel().astype(np.float64), encoder.labels == label, [1.0]])
