"""Straight line segments (x1, y1, x2, y2) in px; pixel (0, 0) is the centre of the top left pixel."""

import cv2
import numpy as np

LSD_SCALE = 0.8


def line_segments(gray):
    """Segments (N, 4) float64, longest first, of a uint8 image (H, W), by LSD.

    LSD (Grompone von Gioi et al. 2012, doi:10.5201/ipol.2012.gjmr-lsd) needs no weights and no tuning and is
    deterministic. OpenCV maps its coordinates back from the 0.8 times smaller picture without the half pixel
    between their centres, which is put right here.
    """
    if gray.ndim != 2 or gray.dtype != np.uint8:
        raise ValueError(f"image: must be a gray uint8 array (H, W), got {gray.dtype} {gray.shape}")
    detector = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD, LSD_SCALE)
    found = detector.detect(np.ascontiguousarray(gray))[0]
    if found is None:
        return np.empty((0, 4))
    segments = found.reshape(-1, 4).astype(np.float64) + (0.5 / LSD_SCALE - 0.5)
    return segments[np.argsort(-lengths_px(segments), kind="stable")]


def lengths_px(segments):
    """Length of each segment in px, (N,)."""
    return np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
