"""Do the shadows of a picture agree on one light? The test of Kee, O'Brien, Farid (2013) by linear program.

A point in cast shadow, the point of the object that casts it, and the light lie on a line, so in the picture
the light's projection lies on the ray from shadow to object; if the object point is only known up to an arc,
within a wedge. With the light as homogeneous px (x, y, w), negative w meaning behind the camera, the way
from a shadow point s to the light runs along (x, y) - w s for either sign of w: each side of a wedge is one
linear inequality, and all shadows are consistent exactly if the inequalities have a solution.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

PRECISION_DEG = 0.01
WIDEST_DEG = 89.0


@dataclass(frozen=True)
class ShadowVerdict:
    """consistent: some light explains all pairs within their wedges; out_deg: by how much every wedge would
    have to be widened on each side until one does (0 if consistent, 89 if nothing helps); light (3,):
    homogeneous px, unit norm, of that light; residuals_deg (P,): how far it lies from each wedge's middle.
    """

    consistent: bool
    out_deg: float
    light: np.ndarray
    residuals_deg: np.ndarray


def wedges_from_pairs(pairs: np.ndarray, tolerance_deg: float = 1.0) -> np.ndarray:
    """Wedges (P, 4) = apex x, apex y in px, middle and half width in degrees, of shadow and object points.

    pairs (P, 4): shadow x, y and object x, y in px; tolerance_deg: the trust in the clicked points.
    """
    way = pairs[:, 2:] - pairs[:, :2]
    middle_deg = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    return np.column_stack([pairs[:, :2], middle_deg, np.full(len(pairs), tolerance_deg)])


def wedges_from_arcs(shadow: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Wedges (P, 4) of shadow points that some point between `first` and `second` casts; (P, 2) px each."""
    ends = [np.degrees(np.arctan2(*(end - shadow).T[::-1])) for end in (first, second)]
    opening_deg = (ends[1] - ends[0] + 180) % 360 - 180
    return np.column_stack([shadow, ends[0] + opening_deg / 2, np.abs(opening_deg) / 2])


def wedges_from_masks(shadows, objects, tolerance_deg: float = 1.0) -> np.ndarray:
    """Wedges (P, 4) of cast shadows and the objects that cast them, masks (H, W) bool in pairs.

    Every point of a shadow is cast by some point of its object, so the light lies within the angle under which
    the object is seen from any one of them: the apex is the shadow's pixel nearest to its middle, outside the
    object. ValueError for an empty mask, or an object that surrounds its shadow (more than 178 degrees).
    """
    wedges = []
    for number, (shadow, thing) in enumerate(zip(shadows, objects, strict=True)):
        ys, xs = np.nonzero(shadow & ~thing)
        if len(xs) == 0 or not thing.any():
            raise ValueError(f"masks of pair {number}: must show a shadow and an object beside it")
        apex_at = np.hypot(xs - xs.mean(), ys - ys.mean()).argmin()
        apex = np.array([xs[apex_at], ys[apex_at]], float)
        way = np.argwhere(thing)[:, ::-1] - apex
        ahead_deg = np.degrees(np.arctan2(*way.mean(axis=0)[::-1]))
        off_deg = (np.degrees(np.arctan2(way[:, 1], way[:, 0])) - ahead_deg + 180) % 360 - 180
        half_deg = (off_deg.max() - off_deg.min()) / 2 + tolerance_deg
        if half_deg >= WIDEST_DEG:
            raise ValueError(f"masks of pair {number}: the object surrounds its shadow; give points instead")
        wedges.append([*apex, ahead_deg + (off_deg.max() + off_deg.min()) / 2, half_deg])
    return np.array(wedges).reshape(-1, 4)


def judge_shadows(wedges: np.ndarray) -> ShadowVerdict:
    """Whether one light explains the wedges (P, 4), and how far they are from it.

    Two wedges always agree, so three or more are needed to accuse. ValueError for none, or a half width
    outside 0 < h < 89 degrees.
    """
    wedges = np.asarray(wedges, float).reshape(-1, 4)
    if len(wedges) == 0 or not ((wedges[:, 3] > 0) & (wedges[:, 3] < WIDEST_DEG)).all():
        raise ValueError(f"wedges: must be one or more with half width in (0, {WIDEST_DEG:g}) degrees")
    scaled, to_px = _conditioned(wedges)
    out_deg, light = _least_widening(scaled)
    light = to_px @ light
    light /= np.linalg.norm(light)
    return ShadowVerdict(out_deg == 0, out_deg, light, light_residuals_deg(light, wedges))


def out_without_deg(wedges: np.ndarray) -> np.ndarray:
    """`out_deg` of the others when each wedge in turn is left out, (P,): the one whose absence mends the
    picture is the suspect (the compromise light of a verdict spreads the blame evenly). Needs two or more.
    """
    return np.array([judge_shadows(np.delete(wedges, i, axis=0)).out_deg for i in range(len(wedges))])


def _least_widening(wedges: np.ndarray) -> tuple[float, np.ndarray]:
    """Degrees by which the wedges must grow until a light exists, by bisection, and that light (3,); the
    widest and nan if there is none even then."""
    low, high = 0.0, WIDEST_DEG - wedges[:, 3].max()
    light = _light(wedges, low)
    if light is not None:
        return low, light
    light = _light(wedges, high)
    if light is None:
        return WIDEST_DEG, np.full(3, np.nan)
    while high - low > PRECISION_DEG:
        middle = (low + high) / 2
        found = _light(wedges, middle)
        if found is None:
            low = middle
        else:
            high, light = middle, found
    return high, light


def light_residuals_deg(light: np.ndarray, wedges: np.ndarray) -> np.ndarray:
    """Angle in degrees between each wedge's middle and the way to the light (3,), (P,), 0 to 180."""
    way = light[:2] - light[2] * wedges[:, :2]
    off_deg = np.degrees(np.arctan2(way[:, 1], way[:, 0])) - wedges[:, 2]
    return np.abs((off_deg + 180) % 360 - 180)


def _conditioned(wedges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wedges with apexes about 0 and of unit size, and the matrix that takes a light back to px."""
    centre = wedges[:, :2].mean(axis=0)
    size = max(np.abs(wedges[:, :2] - centre).max(), 1.0)
    scaled = np.column_stack([(wedges[:, :2] - centre) / size, wedges[:, 2:]])
    return scaled, np.array([[size, 0, centre[0]], [0, size, centre[1]], [0, 0, 1]])


def _light(wedges: np.ndarray, wider_deg: float) -> np.ndarray | None:
    """The light (3,) deepest inside all wedges widened by `wider_deg` on each side; None if there is none."""
    rows = []
    for side in (-1, 1):
        edge = np.radians(wedges[:, 2] + side * (wedges[:, 3] + wider_deg))
        inward = -side * np.stack([-np.sin(edge), np.cos(edge)], axis=1)
        rows.append(np.column_stack([inward, -(inward * wedges[:, :2]).sum(axis=1)]))
    constraints = np.concatenate(rows)  # constraints @ light >= 0
    depth_first = np.column_stack([-constraints, np.ones(len(constraints))])
    solution = linprog([0, 0, 0, -1], depth_first, np.zeros(len(constraints)), bounds=[(-1, 1)] * 3 + [(0, 1)])
    return solution.x[:3] if solution.status == 0 and solution.x[3] > 1e-7 else None
