"""Numbers that still carry structure at 32 px, where vanishing points carry none.

They answer to blur and texture as well as to geometry, so they are only ever shown beside the controls.
"""

import cv2
import numpy as np

from realgap.geometry.segments import lengths_px, line_segments

STATISTICS = (
    "longest_segment_share",
    "axis_aligned_share",
    "mirror_symmetry",
    "edge_straightness",
    "spectrum_slope",
    "high_frequency_share",
)
AXIS_TOLERANCE_DEG = 10.0
LOWEST_CYCLES = 3  # per image in the slope's fit: the window mixes the slower ones with the mean


def structure(gray: np.ndarray) -> np.ndarray:
    """The STATISTICS of a uint8 image (H, W), (6,) float64, none in units of pixels:

    longest segment / diagonal; share of the gradient energy within 10 degrees of the image axes (0.22 if
    directions are uniform); correlation with the left-right mirror image; coherence of the gradient
    direction along edges, 0 to 1; slope of log power over log frequency (about -2 for photographs); share
    of the power above half the Nyquist frequency. A flat image gives 0 for all.
    """
    values = np.asarray(gray, np.float32)
    power, frequency = _power(values)
    return np.array(
        [
            _longest_segment_share(gray),
            _axis_aligned_share(values),
            _mirror_symmetry(values),
            _edge_straightness(values),
            _spectrum_slope(power, frequency),
            power[frequency > 0.25].sum() / max(power.sum(), 1e-12),
        ]
    )


def _longest_segment_share(gray: np.ndarray) -> float:
    return lengths_px(line_segments(gray)).max(initial=0) / np.hypot(*gray.shape)


def gradients(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives along x and y of a float image (H, W), by Scharr's filter, gray levels per px."""
    return tuple(cv2.Scharr(np.asarray(values, np.float32), cv2.CV_32F, *order) / 32 for order in ((1, 0), (0, 1)))


def _axis_aligned_share(values: np.ndarray) -> float:
    x, y = gradients(values)
    energy = x**2 + y**2
    off_axis_deg = np.degrees(np.arctan2(np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))))
    return energy[off_axis_deg < AXIS_TOLERANCE_DEG].sum() / max(energy.sum(), 1e-12) * (energy.sum() > 0)


def _mirror_symmetry(values: np.ndarray) -> float:
    centred = values - values.mean()
    return (centred * centred[:, ::-1]).sum() / max((centred**2).sum(), 1e-12)


def _edge_straightness(values: np.ndarray) -> float:
    """Coherence of the structure tensor, weighted by its energy (Bigun, Granlund 1987)."""
    x, y = gradients(values)
    xx, yy, xy = (cv2.GaussianBlur(product, (0, 0), 1.5) for product in (x * x, y * y, x * y))
    spread = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
    return spread.sum() / max((xx + yy).sum(), 1e-12)


def _power(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power and frequency in cycles per px, (K,) each, without the mean; a window hides the border's jump."""
    height, width = values.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.rfft2((values - values.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    inside = (frequency > 0) & (frequency <= 0.5)
    return power[inside], frequency[inside]


def _spectrum_slope(power: np.ndarray, frequency: np.ndarray) -> float:
    if power.sum() <= 0:
        return 0.0
    edges = np.geomspace(LOWEST_CYCLES * frequency.min(), 0.5, 8)
    rings = [(frequency >= low) & (frequency <= high) for low, high in zip(edges, edges[1:], strict=False)]
    rings = [ring for ring in rings if ring.any()]
    mean_power = np.array([power[ring].mean() for ring in rings])
    middle = np.array([frequency[ring].mean() for ring in rings])
    return float(np.polyfit(np.log(middle), np.log(mean_power + 1e-12), 1)[0])
