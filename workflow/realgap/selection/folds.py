"""Which real images a judge is trained on: never the one that a candidate was made of."""

import numpy as np

from realgap import streams


def of(labels: np.ndarray, image_ids: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each real image, int64 (n,), equally many of each class in each; whichever order they come in."""
    found = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        by_rank = rows[np.argsort(streams.ranks(seed, "fold", image_ids[rows]), kind="stable")]
        found[by_rank] = np.arange(len(rows)) % folds
    return found
