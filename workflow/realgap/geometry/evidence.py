"""How well directions explain line segments: the residual, the robust support and the weighted refinement.

Everything is in the coordinates of a camera K: image points x = K^-1 (px, py, 1), a vanishing point is a
direction v (3,) up to sign, and K may be a stand-in (focal length = longer side) because nothing here uses
angles between directions.
"""

from dataclasses import dataclass, replace

import numpy as np

from realgap.geometry.segments import lengths_px

# Chosen on rendered scenes 1000 to 1089; half or double of each changes AA@10 by less than 1.5.
ANGLE_NOISE_RAD = np.radians(0.5)  # walls out of square, lens distortion: does not shrink with length
POINT_NOISE_PX = 0.5  # of each end of a segment, across it
LIMIT = 2.0  # residual in standard deviations at which a segment no longer belongs
LENGTH_POWER = 0.7  # weight of a segment: its length to this power
MOST_SEGMENTS = 350  # the longest; more cost time and gained nothing


@dataclass(frozen=True)
class Evidence:
    """Segments as midpoints (N, 2), unit lines (N, 3), expected residual (N,) rad and weight (N,), sum 1."""

    midpoints: np.ndarray
    lines: np.ndarray
    noise_rad: np.ndarray
    weights: np.ndarray

    def reweighted(self, weights: np.ndarray) -> "Evidence":
        return replace(self, weights=weights)


def evidence(segments: np.ndarray, intrinsics: np.ndarray) -> Evidence:
    """The longest of the segments (N, 4) px, as seen through a camera with `intrinsics` (3, 3)."""
    order = np.argsort(-lengths_px(segments), kind="stable")[:MOST_SEGMENTS]
    segments = segments[order][lengths_px(segments[order]) > 0]
    inverse = np.linalg.inv(intrinsics)
    start, end = (segments[:, i : i + 2] @ inverse[:2, :2].T + inverse[:2, 2] for i in (0, 2))
    middle = (start + end) / 2
    length = np.linalg.norm(end - start, axis=1)
    dx, dy = ((end - start) / length[:, None]).T
    lines = np.stack([-dy, dx, dy * middle[:, 0] - dx * middle[:, 1]], axis=1)
    noise_rad = np.hypot(ANGLE_NOISE_RAD, POINT_NOISE_PX / lengths_px(segments))
    weights = length**LENGTH_POWER
    return Evidence(middle, lines, noise_rad, weights / max(weights.sum(), 1e-12))


def sines(directions: np.ndarray, seen: Evidence) -> np.ndarray:
    """Signed sine of the angle at each midpoint between the segment and the way to the point, (M, N).

    `lines` are scaled so that line . v is the cross product of the segment's direction with that way.
    """
    return (directions @ seen.lines.T) / np.hypot(*_ways(directions, seen.midpoints))


def _ways(directions: np.ndarray, midpoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each midpoint towards each vanishing point, x and y, (M, N) each; not of unit length."""
    x, y = (directions[:, i : i + 1] - directions[:, 2:] * midpoints[:, i] for i in (0, 1))
    return x + 1e-12, y


def support(directions: np.ndarray, seen: Evidence, limit: float = LIMIT) -> np.ndarray:
    """1 for a segment that points exactly at the vanishing point, falling to 0 at `limit`, (M, N)."""
    return np.maximum(0, 1 - (sines(directions, seen) / seen.noise_rad / limit) ** 2)


def refined(
    directions: np.ndarray, seen: Evidence, weights: np.ndarray, rounds: int = 1, square: float = 0.0
) -> np.ndarray:
    """Directions (M, 3) moved to the robust weighted least squares fit of their segments; weights (M, N).

    square: weight of the squared cosines between them; it pulls them towards right angles through the camera.

    Iteratively reweighted: the smallest eigenvector of sum w l l^T with the weight of a Geman-McClure loss
    and the residual's own scale, so that the algebraic error becomes the angle.
    """
    products = (seen.lines[:, :, None] * seen.lines[:, None]).reshape(-1, 9)
    for _ in range(rounds):
        way = np.hypot(*_ways(directions, seen.midpoints))
        z = (directions @ seen.lines.T) / way / seen.noise_rad
        robust = weights * _robust(z) / (way * seen.noise_rad) ** 2
        normal = (robust @ products).reshape(-1, 3, 3)
        if square:
            outer = directions[:, :, None] * directions[:, None]
            normal += square * (outer.sum(axis=0) - outer)
        directions = np.linalg.eigh(normal)[1][:, :, 0]
    return directions


def rotated(frame: np.ndarray, seen: Evidence, limit: float = LIMIT, rounds: int = 10) -> np.ndarray:
    """An orthogonal frame (3 unit rows) turned to fit the segments best: Gauss-Newton on the rotation, each
    segment judged by the axis nearest to it."""
    everyone = np.arange(len(seen.lines))
    for _ in range(rounds):
        x, y = _ways(frame, seen.midpoints)
        nearest = np.abs(sines(frame, seen)).argmin(axis=0)
        x, y, axis = x[nearest, everyone], y[nearest, everyone], frame[nearest]
        way = np.hypot(x, y)
        sine = (axis * seen.lines).sum(axis=1) / way
        along = np.stack([x, y, -(x * seen.midpoints[:, 0] + y * seen.midpoints[:, 1])], axis=1) / way[:, None]
        slope = (seen.lines - sine[:, None] * along) / (way * seen.noise_rad)[:, None]
        turn_slope = np.cross(axis, slope)  # d z / d turn, as d axis = turn x axis
        weighted = turn_slope * (seen.weights * _robust(sine / seen.noise_rad, limit))[:, None]
        turn = -np.linalg.solve(weighted.T @ turn_slope + 1e-9 * np.eye(3), weighted.T @ (sine / seen.noise_rad))
        frame = frame @ _rotation(turn).T
        if turn @ turn < 1e-10:
            break
    return frame


def _robust(z: np.ndarray, limit: float = LIMIT) -> np.ndarray:
    return (1 + (1.5 * z / limit) ** 2) ** -2


def _rotation(turn: np.ndarray) -> np.ndarray:
    """Rotation by |turn| rad about turn (3,) (Rodrigues)."""
    angle = np.linalg.norm(turn)
    x, y, z = turn / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
