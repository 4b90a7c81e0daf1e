"""Images at rest: uint8 NHWC RGB. What is done to them before a model sees them."""

import numpy as np
from PIL import Image


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Bicubic, antialiased, to (n, size, size, 3) uint8; the identity when the size is right already.

    Images that are not square are cropped to their central square first.
    """
    return np.stack([_resize_one(image, size) for image in images])


def _resize_one(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(square)
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC))


def from_unit(images: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] to uint8, rounded, clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
