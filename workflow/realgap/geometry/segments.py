"""Straight line segments (x1, y1, x2, y2) in px; pixel (0, 0) is the centre of the top left pixel."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

LSD_SCALE = 0.8
# Doubling up to 400 px: on rendered scenes AA@10 rises from 58 to 73 at 128 px, from 80 to 81 at 320 px.
ENLARGE_UP_TO_PX = 400
SMALLEST_FOR_LSD_PX = 128


def line_segments(gray):
    """Segments (N, 4) float64, longest first, of a uint8 image (H, W), by LSD.

    LSD (Grompone von Gioi et al. 2012, doi:10.5201/ipol.2012.gjmr-lsd) needs no weights and no tuning and is
    deterministic. OpenCV maps its coordinates back from the 0.8 times smaller picture without the half pixel
    between their centres, which is put right here. Small images are enlarged for the detector only.
    """
    if gray.ndim != 2 or gray.dtype != np.uint8:
        raise ValueError(f"image: must be a gray uint8 array (H, W), got {gray.dtype} {gray.shape}")
    detector = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD, LSD_SCALE)
    longer = max(gray.shape)
    factor = 1 if longer > ENLARGE_UP_TO_PX else max(2, -(-SMALLEST_FOR_LSD_PX // longer))
    if factor > 1:
        gray = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    found = detector.detect(np.ascontiguousarray(gray))[0]
    if found is None:
        return np.empty((0, 4))
    centres = found.reshape(-1, 4).astype(np.float64) + 0.5 / LSD_SCALE
    segments = centres / factor - 0.5
    return segments[np.argsort(-lengths_px(segments), kind="stable")]


def detector(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The line detector of a configuration: "lsd", or the path of a learned one as a TorchScript file.

    Its module takes gray float32 (1, 1, H, W) in [0, 1] and returns segments (N, 4) in px, pixel (0, 0) being
    the centre of the top left pixel. ValueError naming a file that is no such module, when it is opened or used.
    """
    if name == "lsd":
        return line_segments
    import torch

    if not Path(name).is_file():
        raise ValueError(f"geometry.detector: must be lsd or a TorchScript file; got {name!r}, nothing there")
    try:
        module = torch.jit.load(name, map_location="cpu").eval()
    except RuntimeError as error:
        raise ValueError(f"{name}: must be a TorchScript module ({str(error).splitlines()[0]})") from error

    @torch.no_grad()
    def detect(gray):
        segments = module(torch.from_numpy(np.float32(gray) / 255)[None, None])
        if segments.ndim != 2 or segments.shape[1] != 4:
            raise ValueError(f"{name}: must return segments (N, 4), got {tuple(segments.shape)}")
        segments = segments.numpy().astype(np.float64)
        return segments[np.argsort(-lengths_px(segments), kind="stable")]

    return detect


def lengths_px(segments):
    """Length of each segment in px, (N,)."""
    return np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
