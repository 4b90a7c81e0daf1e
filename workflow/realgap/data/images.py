"""Images at rest: uint8 NHWC RGB. What is done to them before a model sees them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image


def resize(images: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Bicubic, antialiased, to (n, size, size, 3) uint8; the identity when the size is right already.

    Images that are not square are cropped to their central square first.
    """
    return np.stack([_resize_one(image, size) for image in images])


def resampled(images: np.ndarray, factor: int = 2) -> np.ndarray:
    """uint8 (n, h, w, 3), the sides divided by `factor` by area and back, bicubic: what resampling alone does."""
    height, width = images.shape[1:3]
    size = (max(1, width // factor), max(1, height // factor))
    small = (Image.fromarray(image).resize(size, Image.Resampling.BOX) for image in images)
    return np.stack([np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)) for image in small])


def from_unit(images: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] to uint8, rounded, clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def _resize_one(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(square)
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC))
