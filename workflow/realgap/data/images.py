"""Images at rest: uint8 NHWC RGB. What is done to them before a model sees them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

CROP, PAD, SQUASH = "crop", "pad", "squash"


def resize(images: Iterable[np.ndarray], size: int) -> np.ndarray:
    """Bicubic, antialiased, to (n, size, size, 3) uint8; the identity when the size is right already.

    Images that are not square are cropped to their central square first.
    """
    return np.stack([resize_one(image, size) for image in images])


_FITTED = {CROP: "cropped to their central square", PAD: "padded with black bars", SQUASH: "squashed to a square"}


def pixels_of(image: np.ndarray) -> str:
    """Digest of an image's size and pixels."""
    return hashlib.sha256(f"{image.shape}\n".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def said(looks: Mapping[str, int], count: int, options: Mapping[str, Any]) -> list[str]:
    """What was done to `count` images, for readers. looks: how many were grey, oblong, smaller than they are now.

    options: fit, value_range and background by which they were read, where these were not the usual ones.
    """
    grey = f"{looks['grey']:,} are grey, with three equal channels" if looks.get("grey") else "none is grey"
    sentences = [
        f"Of the {count:,} test images {grey}; the others have colours. A network sees three channels of each."
    ]
    if looks.get("oblong"):
        sentences.append(
            f"{looks['oblong']:,} test images are not square. They were {_FITTED[options.get('fit') or CROP]}."
        )
    if looks.get("enlarged"):
        sentences.append(f"{looks['enlarged']:,} test images are smaller than they are shown, and were enlarged.")
    if given := options.get("value_range"):
        black, white = given
        sentences.append(f"In files of more than 8 bits {black:g} was read as black and {white:g} as white.")
    if background := options.get("background"):
        sentences.append(f"Transparent pixels were read as on {background}.")
    return sentences


def resampled(images: np.ndarray, factor: int = 2) -> np.ndarray:
    """uint8 (n, h, w, 3), the sides divided by `factor` by area and back, bicubic: what resampling alone does."""
    height, width = images.shape[1:3]
    size = (max(1, width // factor), max(1, height // factor))
    small = (Image.fromarray(image).resize(size, Image.Resampling.BOX) for image in images)
    return np.stack([np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)) for image in small])


def from_unit(images: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] to uint8, rounded, clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def resize_one(image: np.ndarray, size: int, fit: str = CROP) -> np.ndarray:
    """An image uint8 (h, w, 3) to (size, size, 3). fit: how one that is not square becomes so.

    crop: its central square. pad: all of it, between bars of black. squash: all of it, with other proportions.
    """
    height, width = image.shape[:2]
    if fit == PAD and height != width:
        share = size / max(height, width)
        inner = _scaled(image, max(1, round(height * share)), max(1, round(width * share)))
        padded = np.zeros((size, size, 3), np.uint8)
        top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
        padded[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return padded
    if fit == CROP:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    return _scaled(image, size, size)


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
