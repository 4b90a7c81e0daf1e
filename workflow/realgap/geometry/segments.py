"""Straight line segments (x1, y1, x2, y2) in px; pixel (0, 0) is the centre of the top left pixel."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from realgap.store import files

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
    """The line detector of a configuration: "lsd", or the path of a learned one as an ONNX file, which holds no code.

    Its graph takes gray float32 (1, 1, H, W) in [0, 1] and gives segments (N, 4) in px, pixel (0, 0) being the centre
    of the top left pixel. ValueError naming a file that is no such graph, when it is opened or used.
    """
    if name == "lsd":
        return line_segments
    if not Path(name).is_file():
        raise ValueError(f"geometry.detector: must be lsd or an ONNX file; got {name!r}, nothing there")
    run = _graph(name)

    def detect(gray):
        segments = run(np.float32(gray)[None, None] / 255)
        if segments.ndim != 2 or segments.shape[1] != 4 or not np.issubdtype(segments.dtype, np.floating):
            raise ValueError(f"{name}: must return segments (N, 4), got {segments.dtype} {segments.shape}")
        if not np.isfinite(segments).all():
            raise ValueError(f"{name}: must return segments of finite numbers, some are not")
        segments = segments.astype(np.float64)
        return segments[np.argsort(-lengths_px(segments), kind="stable")]

    return detect


def _graph(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The graph of an ONNX file as a function. From its bytes alone: so it cannot name other files to read.

    onnxruntime, not OpenCV: of 200 files with changed bytes OpenCV 5 crashed on 7, onnxruntime 1.32 refused each.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 4, 1  # one thread: the same sums whichever machine
    try:
        session = onnxruntime.InferenceSession(Path(name).read_bytes(), settings, providers=["CPUExecutionProvider"])
        (taken,), (given, *_) = session.get_inputs(), session.get_outputs()
    except OSError:
        raise
    except Exception as error:  # of its own kinds, which share no class
        raise ValueError(f"{name}: must be an ONNX model of one input ({files.brief(error)})") from error

    def run(values: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(session.run([given.name], {taken.name: values})[0])
        except Exception as error:
            raise ValueError(f"{name}: must take an image (1, 1, H, W) ({files.brief(error)})") from error

    return run


def lengths_px(segments):
    """Length of each segment in px, (N,)."""
    return np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
