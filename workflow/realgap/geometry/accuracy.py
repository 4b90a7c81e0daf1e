"""How good vanishing points are: angle to the true directions, and the area under the recall curve (AA)."""

import numpy as np


def direction_errors_deg(points, intrinsics, directions):
    """Angle in degrees from each true direction to the nearest vanishing point seen by the camera, (D,).

    points (M, 3) homogeneous px; intrinsics (3, 3); directions (D, 3) in camera coordinates, sign free.
    No point at all counts as 90 degrees. Give points[:3] to judge a method by its three strongest.
    """
    if len(points) == 0:
        return np.full(len(directions), 90.0)
    seen = np.asarray(points) @ np.linalg.inv(intrinsics).T
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    true = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    sines = np.linalg.norm(np.cross(true[:, None], seen[None]), axis=2)  # exact for small angles too
    return np.degrees(np.arctan2(sines, np.abs(true @ seen.T))).min(axis=1)


def angle_accuracy(errors_deg, limits_deg=(3, 5, 10)):
    """AA@k in percent for each limit: the area under the share of errors below t, for t from 0 to k degrees.

    Equal to 1 - mean(min(error, k)) / k, so no curve is drawn. The usual measure on York Urban (Denis, Elder,
    Estrada 2008); its AA@3 can never exceed its AA@5, nor 3 (1 - AA@3) exceed 5 (1 - AA@5).
    """
    errors_deg = np.asarray(errors_deg, float)
    return np.array([100 * (1 - np.minimum(errors_deg, k).mean() / k) for k in limits_deg])
