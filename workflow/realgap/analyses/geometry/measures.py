"""The numbers of one image, and the harmless and known changes to real images that they stand beside."""

from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from realgap.geometry import camera, controls, features
from realgap.geometry.segments import lengths_px, line_segments
from realgap.geometry.structure import STATISTICS, structure
from realgap.geometry.vanishing import SMALLEST_PX, points_of_segments
from realgap.streams import stream

LINES = (
    "unexplained_share",
    "family_residual_deg",
    "off_square_deg",
    "focal_ratio",
    "horizon_tilt_deg",
    "halves_deg",
)
CONTROLS = ("real_resampled", "real_blurred", "real_warped")
WARP_WAVELENGTH = 0.45  # of the longer side: about two waves, as a drawing hand or a weak generator bends


def names(size_px: int) -> tuple[str, ...]:
    """What is measured on images of this longer side: below 128 px nothing that needs a vanishing point."""
    return STATISTICS if size_px < SMALLEST_PX else (*LINES, *STATISTICS)


def measure(gray: np.ndarray, detector: Callable[[np.ndarray], np.ndarray] = line_segments) -> np.ndarray:
    """The numbers `names` of a uint8 image (H, W), float64; nan where the image has too few lines for one."""
    if max(gray.shape) < SMALLEST_PX:
        return structure(gray)
    return np.concatenate([lines(detector(gray), gray.shape[1], gray.shape[0]), structure(gray)])


def lines(segments: np.ndarray, width: int, height: int) -> np.ndarray:
    """The numbers LINES of segments (N, 4) px, (6,) float64:

    share of the segments' length that points at none of the first three vanishing points; mean residual of
    their families in degrees; how far the triple is from right angles for the kindest camera, degrees; ratio of
    the largest to the smallest focal length that pairs of points imply; tilt of the horizon against the
    picture's rows, degrees; disagreement of the picture's halves, degrees, mean over the points.
    """
    points = points_of_segments(segments, width, height, presume_camera=False)[:3]
    if len(points) < 3:
        return np.full(len(LINES), np.nan)
    lengths = lengths_px(segments)
    agreement = camera.camera_agreement(points, width, height)
    focals = agreement.focals_px[np.isfinite(agreement.focals_px)]
    a, b, _ = camera.horizon(points, width, height)
    return np.array(
        [
            lengths[camera.families(points, segments) < 0].sum() / lengths.sum(),
            _mean(camera.family_residuals_deg(points, segments)),
            agreement.off_square_deg,
            focals.max() / focals.min() if len(focals) > 1 else np.nan,
            np.degrees(np.arctan2(abs(a), b)),
            _mean(camera.halves_deg(points, segments, width, height)),
        ]
    )


def controlled(image: np.ndarray, image_id: int, seed: int, changes: Mapping[str, float]) -> Iterator[np.ndarray]:
    """A real image (H, W, 3) under each of CONTROLS: made smaller by the factor changes["resample"] and large
    again; blurred by changes["blur_px"]; bent by waves of standard deviation changes["warp"], a share of the
    longer side. Each image bends in its own way, set by (seed, image_id)."""
    longer = max(image.shape[:2])
    waves = int(stream(seed, "warp", image_id).integers(1 << 31))
    yield controls.resampled(image, changes["resample"])
    yield controls.blurred(image, changes["blur_px"])
    yield controls.warped(image, changes["warp"] * longer, WARP_WAVELENGTH * longer, waves)


def rows(image: np.ndarray, detector: Callable[[np.ndarray], np.ndarray] = line_segments) -> dict[str, np.ndarray]:
    """All that is kept of an image (H, W, 3): its measures, and what the classifiers of cues see."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return {
        "measures": measure(gray, detector).astype(np.float32),
        "segments": features.segment_features(gray, detector),
        "field": features.field_features(gray),
        "pixels": features.pixel_features(image),
    }


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
