"""What vanishing points say about the camera: families of segments, horizon, focal length, and whether any
one camera can have seen them all."""

from dataclasses import dataclass

import numpy as np

from realgap.geometry.evidence import evidence, refined, sines, support
from realgap.geometry.vanishing import off_square_deg, stand_in_camera

FAMILY_LIMIT_DEG = 3.0
FEWEST_IN_HALF = 8  # segments; a point fitted to fewer says more about them than about the picture
FOCALS = np.geomspace(0.2, 10.0, 120)  # in longer sides


@dataclass(frozen=True)
class Agreement:
    """How well one camera (square pixels, principal point in the middle) explains the first three points.

    focals_px (3,): focal length implied by the pairs (0, 1), (0, 2), (1, 2), nan where a pair implies none;
    focal_px: the one that suits all three best; off_square_deg: how far from a right angle the worst pair
    still is then. A triple of a real camera and a Manhattan scene has off_square_deg near 0.
    """

    focals_px: np.ndarray
    focal_px: float
    off_square_deg: float


def residuals_deg(points: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Angle in degrees at each segment's midpoint between it and the way to each point, (M, N), 0 to 90.

    points (M, 3) homogeneous px; segments (N, 4) px.
    """
    start, end = segments[:, :2], segments[:, 2:]
    middle, (dx, dy) = (start + end) / 2, (end - start).T
    x, y = (points[:, i : i + 1] - points[:, 2:] * middle[:, i] for i in (0, 1))
    return np.degrees(np.arctan2(np.abs(x * dy - y * dx), np.abs(x * dx + y * dy)))


def families(points: np.ndarray, segments: np.ndarray, limit_deg: float = FAMILY_LIMIT_DEG) -> np.ndarray:
    """Index of the point each segment belongs to, (N,) int; -1 if all are further than `limit_deg`."""
    if len(points) == 0 or len(segments) == 0:
        return np.full(len(segments), -1)
    angles = residuals_deg(points, segments)
    return np.where(angles.min(axis=0) <= limit_deg, angles.argmin(axis=0), -1)


def family_residuals_deg(points: np.ndarray, segments: np.ndarray, limit_deg: float = FAMILY_LIMIT_DEG) -> np.ndarray:
    """Length-weighted mean residual of each family in degrees, (M,); nan for a family without segments."""
    family = families(points, segments, limit_deg)
    lengths = np.hypot(*(segments[:, 2:] - segments[:, :2]).T)
    means = np.full(len(points), np.nan)
    for number in np.unique(family[family >= 0]):
        own = family == number
        means[number] = np.average(residuals_deg(points[number : number + 1], segments[own])[0], weights=lengths[own])
    return means


def horizon(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """The line (a, b, c), a x + b y + c = 0 in px, a^2 + b^2 = 1, b >= 0, through the vanishing points of the
    two horizontal directions: those of the first three points that are not the most vertical one.

    ValueError with fewer than three points.
    """
    if len(points) < 3:
        raise ValueError(f"points: must be three or more for a horizon, got {len(points)}")
    seen = points[:3] @ np.linalg.inv(stand_in_camera(width, height)).T
    steepness = np.abs(seen[:, 1]) / np.linalg.norm(seen, axis=1)
    first, second = np.delete(points[:3], steepness.argmax(), axis=0)
    line = np.cross(first, second)
    line /= np.hypot(*line[:2])
    return line if line[1] >= 0 else -line


def focal_px(first: np.ndarray, second: np.ndarray, width: int, height: int) -> float:
    """Focal length in px of the camera that sees two vanishing points (3,) at right angles; nan if none does.

    f^2 = -(p - c) (q - c): both must be finite and on opposite sides of the middle c (Caprile, Torre 1990).
    """
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    squared = -np.prod([first[:2] - first[2] * centre, second[:2] - second[2] * centre], axis=0).sum()
    depth = first[2] * second[2]
    return float(np.sqrt(squared / depth)) if abs(depth) > 1e-12 and squared / depth > 0 else float("nan")


def camera_agreement(points: np.ndarray, width: int, height: int) -> Agreement:
    """Whether one camera can see the first three of points (M, 3) at right angles; ValueError if M < 3."""
    if len(points) < 3:
        raise ValueError(f"points: must be three or more for camera agreement, got {len(points)}")
    pairs = [(0, 1), (0, 2), (1, 2)]
    focals = np.array([focal_px(points[i], points[j], width, height) for i, j in pairs])
    seen = points[:3] @ np.linalg.inv(stand_in_camera(width, height)).T
    off_deg = [off_square_deg(seen, np.array([[0, 1, 2]]), FOCALS[i : i + 1])[0] for i in range(len(FOCALS))]
    best = int(np.argmin(off_deg))
    return Agreement(focals, float(FOCALS[best] * max(width, height)), float(off_deg[best]))


def halves_deg(points: np.ndarray, segments: np.ndarray, width: int, height: int) -> np.ndarray:
    """Disagreement of the left and right half about each point, in degrees, (M,).

    Each point is refined on its segments of one half and judged by those of the other: the median residual
    there, less what the point fitted to that half leaves; the larger of the two ways. nan where a half has
    fewer than eight segments of the family. About 0 for a picture of one world.
    """
    left = (segments[:, 0] + segments[:, 2]) / 2 < (width - 1) / 2
    stand_in = stand_in_camera(width, height)
    seen = [evidence(segments[side], stand_in) for side in (left, ~left)]
    directions = points @ np.linalg.inv(stand_in).T
    fitted, own = [], []
    for half in seen:
        members = support(directions, half, limit=4.0) > 0
        own.append(members)
        fitted.append(refined(directions, half, members * half.weights, rounds=5) if len(half.lines) else directions)
    return np.array([_half_gap_deg(seen, fitted, own, number) for number in range(len(points))])


def _half_gap_deg(seen, fitted, own, number) -> float:
    if min(half[number].sum() for half in own) < FEWEST_IN_HALF:
        return float("nan")
    gaps = []
    for here, there in ((0, 1), (1, 0)):
        residual = [
            np.degrees(np.arcsin(np.median(np.abs(sines(fit[number : number + 1], seen[here]))[0, own[here][number]])))
            for fit in (fitted[there], fitted[here])
        ]
        gaps.append(residual[0] - residual[1])
    return float(max(gaps))
