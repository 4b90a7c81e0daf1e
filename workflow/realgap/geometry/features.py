"""Features of images that contain no pixels: what the derived-geometry classifiers see.

After "Shadows Don't Lie and Lines Can't Bend!" (Sarkar et al. 2024, arXiv 2311.17138), with extractors that
need no downloaded weights.
"""

from collections.abc import Callable

import cv2
import numpy as np

from realgap.geometry.segments import line_segments
from realgap.geometry.structure import gradients, structure

SEGMENTS = 250
FIELD_PX = 32


def segment_features(gray: np.ndarray, detector: Callable[[np.ndarray], np.ndarray] = line_segments) -> np.ndarray:
    """The 250 longest segments of a uint8 image (H, W), (250, 5) float32: x1, y1, x2, y2 in [-1, 1] of the
    longer side from the middle, and 1; rows of 0 where there are fewer."""
    height, width = gray.shape
    segments = detector(gray)[:SEGMENTS]
    middle = np.array([width - 1, height - 1] * 2) / 2
    features = np.zeros((SEGMENTS, 5), np.float32)
    features[: len(segments), :4] = (segments - middle) / (max(height, width) / 2)
    features[: len(segments), 4] = 1
    return features


def structure_features(gray: np.ndarray) -> np.ndarray:
    """The low-resolution statistics, (6,) float32; see realgap.geometry.structure."""
    return structure(gray).astype(np.float32)


def field_features(gray: np.ndarray) -> np.ndarray:
    """The orientation field (3, 32, 32) float32 of a uint8 image (H, W): per cell the mean of the doubled
    gradient angle as cosine and sine (opposite directions are one orientation), and the share of pixels with
    a gradient above the image's mean. Strength itself is left out: it would bring contrast and texture back.
    """
    x, y = gradients(gray)
    strength = np.hypot(x, y)
    doubled = np.stack([x**2 - y**2, 2 * x * y]) / np.maximum(strength, 1e-6) ** 2
    edge = (strength > max(strength.mean(), 1.0)).astype(np.float32)
    planes = [*(doubled * edge), edge]
    return np.stack([cv2.resize(plane, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA) for plane in planes])


def pixel_features(image: np.ndarray) -> np.ndarray:
    """The picture itself (3, 32, 32) float32 in [-1, 1], for prequalification only; image (H, W, 3) uint8."""
    small = cv2.resize(image, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA)
    return np.float32(small.transpose(2, 0, 1)) / 127.5 - 1
