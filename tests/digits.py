"""Real digits as the shipped miniature sees them."""

import numpy as np
from sklearn.datasets import load_digits


def images(label: int, count: int) -> np.ndarray:
    """The first `count` digits of a class, each pixel as 2 x 2: uint8 (count, 16, 16, 3)."""
    loaded = load_digits()
    grey = np.kron(loaded.images[loaded.target == label][:count] / 16 * 255, np.ones((2, 2))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
