"""Right answers of a classifier as text, so that a table of a few classifiers can hold them."""

import numpy as np


def packed(right: np.ndarray) -> str:
    """Right answers (n,) bool as hexadecimal digits, eight answers to two of them."""
    return np.packbits(right).tobytes().hex()


def unpacked(hits: str, n_test: int) -> np.ndarray:
    """The right answers (n_test,) bool that `packed` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(hits), np.uint8), count=n_test).astype(bool)
