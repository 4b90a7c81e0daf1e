"""Vanishing points of an image: robust estimation of several points at once, with and without a known camera.

Without a camera every point is fitted to its own segments alone, so the result can be inconsistent and
thereby show that a picture is (an orthogonal triple by construction could not). With a camera the three axes
of the scene are found as one rotation, and then each leaves it as far as its own lines ask.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from realgap.geometry.evidence import LIMIT, Evidence, evidence, refined, rotated, support
from realgap.geometry.segments import line_segments

SMALLEST_PX = 128
HYPOTHESES = 1000  # crossings of two random segments
CANDIDATES = 16  # of them, well apart, that may be part of the answer
MOST_POINTS = 6
FOCALS = np.geomspace(0.45, 3.0, 14)  # in longer sides: 96 down to 19 degrees of view
RIGHT_ANGLE_TOLERANCE_DEG = 6.0
RIGHT_ANGLE_BONUS = 0.2  # of the total weight; chooses among points, moves none
# With a camera: pull towards right angles, against which a family has the weight of its segments. 30 would gain three
# points of AA@5 on scenes hard as photographs where 100 gains two, but lose 1.6 on square ones where 100 loses 0.6.
SQUARE = 100.0
AXES_TRIED = 48  # with a camera: crossings taken as the first axis
VOTE_BINS = 90


def vanishing_points(
    gray: np.ndarray,
    camera: np.ndarray | None = None,
    detector: Callable[[np.ndarray], np.ndarray] = line_segments,
    presume_camera: bool = True,
) -> np.ndarray:
    """Vanishing points (M, 3), homogeneous in px, unit norm, strongest first, of a uint8 image (H, W).

    camera: intrinsics (3, 3) in px if known; then the result is the scene's three axes, at right angles as far as
    their lines are (most worlds are a degree or two out of square). Without it
    up to MOST_POINTS free points, the first three being the best supported triple that some camera with
    square pixels and its principal point in the middle could see. M is 0 where there are no lines.
    detector: gray -> segments (N, 4) in px; LSD unless told otherwise. presume_camera: see points_of_segments.
    ValueError if the longer side is below 128 px: there vanishing points are no better than chance.
    """
    height, width = gray.shape[:2]
    if max(height, width) < SMALLEST_PX:
        raise ValueError(
            f"image: its longer side must be at least {SMALLEST_PX} px for vanishing points, got {width} x "
            f"{height}: its few short segments fix no direction (measure at the resolution of generation)"
        )
    return points_of_segments(detector(gray), width, height, camera, presume_camera)


def points_of_segments(
    segments: np.ndarray, width: int, height: int, camera: np.ndarray | None = None, presume_camera: bool = True
) -> np.ndarray:
    """As `vanishing_points`, from segments (N, 4) in px of an image of width x height px of any size.

    presume_camera: a third point may start where two others and some camera say it must be. That finds weak
    third directions; to judge whether a camera can have taken the picture, leave it out: a point that nothing
    supports would stay there and agree.
    """
    if camera is not None and (np.shape(camera) != (3, 3) or abs(np.linalg.det(camera)) < 1e-9):
        raise ValueError(f"camera: must be invertible intrinsics (3, 3) in px, got {np.shape(camera)}")
    intrinsics = stand_in_camera(width, height) if camera is None else np.asarray(camera, float)
    seen = evidence(segments, intrinsics)
    if len(seen.lines) < 3:
        return np.empty((0, 3))
    directions = _free_points(seen, presume_camera) if camera is None else _axes(seen)
    points = directions @ intrinsics.T
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def stand_in_camera(width: int, height: int) -> np.ndarray:
    """Intrinsics (3, 3) for conditioning: focal length = longer side (53 degrees), centre in the middle."""
    focal_px = float(max(width, height))
    return np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])


def _free_points(seen: Evidence, presume_camera: bool) -> np.ndarray:
    crossings, agreement = _hypotheses(seen)
    some = crossings[_apart(crossings, agreement @ seen.weights, CANDIDATES, apart_deg=2.0)]
    candidates = np.concatenate(
        [
            _one_by_one(crossings, agreement, seen, MOST_POINTS),
            refined(some, seen, np.broadcast_to(seen.weights, (len(some), len(seen.weights))), rounds=3),
        ]
    )
    triple = _settled(_best_triple(candidates, seen, presume_camera), seen, rounds=3)
    rest = seen.weights * (support(triple, seen).max(axis=0) <= 0)
    others = _one_by_one(crossings, agreement, seen.reweighted(rest), MOST_POINTS - len(triple))
    points = _settled(np.concatenate([triple, others]), seen, rounds=4)
    shares = (support(points, seen) * _nearest(points, seen)) @ seen.weights
    rank = np.argsort(-shares + (np.arange(len(points)) >= len(triple)))  # the triple before the others
    return points[rank]


def _hypotheses(seen: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Crossings (M, 3) of random pairs of segments, long ones more often, and who supports them (M, N)."""
    rng = np.random.default_rng(0)
    first, second = rng.choice(len(seen.lines), (2, HYPOTHESES), p=seen.weights)
    crossings = np.cross(seen.lines[first], seen.lines[second])
    norms = np.linalg.norm(crossings, axis=1, keepdims=True)
    crossings = (crossings / np.maximum(norms, 1e-12))[norms[:, 0] > 1e-9]
    single = Evidence(*(getattr(seen, name).astype(np.float32) for name in seen.__dataclass_fields__))
    return crossings, support(crossings.astype(np.float32), single)


def _one_by_one(crossings: np.ndarray, agreement: np.ndarray, seen: Evidence, count: int) -> np.ndarray:
    """Sequential consensus: take the best supported crossing, refine it, drop its segments, and again."""
    left, points = seen.weights.copy(), []
    while len(points) < count:
        scores = agreement @ left.astype(np.float32)
        if len(scores) == 0 or scores.max() <= 1e-6:
            break
        point = refined(crossings[scores.argmax()][None], seen, left[None], rounds=4)
        points.append(point[0])
        left = left * (support(point, seen)[0] <= 0) * (agreement[scores.argmax()] <= 0)
    return np.array(points).reshape(-1, 3)


def _apart(directions: np.ndarray, scores: np.ndarray, count: int, apart_deg: float) -> list[int]:
    """Indices of the `count` best scores, no two nearer than `apart_deg`."""
    scores, chosen = scores.copy(), []
    while len(chosen) < count and scores.max(initial=0) > 0:
        best = int(scores.argmax())
        chosen.append(best)
        scores[np.abs(directions @ directions[best]) > np.cos(np.radians(apart_deg))] = 0
    return chosen


def _best_triple(candidates: np.ndarray, seen: Evidence, presume_camera: bool) -> np.ndarray:
    """The three directions that explain most, with a bonus if some focal length makes them orthogonal.

    Each is one of the candidates; with presume_camera the third may be what the other two imply.
    """
    if len(candidates) < 3:
        return candidates
    triples = np.array(list(combinations(range(len(candidates)), 3)))
    explained = support(candidates, seen)
    shares = np.max([explained[column] for column in triples.T], axis=0) @ seen.weights
    off_deg = off_square_deg(candidates, triples, FOCALS)
    scores = shares + RIGHT_ANGLE_BONUS * np.maximum(0, 1 - (off_deg / RIGHT_ANGLE_TOLERANCE_DEG) ** 2)
    best, most = candidates[triples[scores.argmax()]], scores.max()
    pairs, thirds = _implied_thirds(candidates) if presume_camera else (triples[:0, :2], candidates[:0])
    if len(pairs):
        both = np.maximum(*(explained[column] for column in pairs.T))
        scores = np.maximum(both, support(thirds, seen)) @ seen.weights + RIGHT_ANGLE_BONUS
        if scores.max() > most:
            best = np.vstack([candidates[pairs[scores.argmax()]], thirds[scores.argmax()]])
    return best


def _implied_thirds(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (P, 2) of directions (M, 3) that a camera can see at right angles, and the third axis (P, 3) of each:
    across both for the focal length at which they are orthogonal, which must lie within FOCALS."""
    pairs = np.array(list(combinations(range(len(directions)), 2)))
    first, second = directions[pairs[:, 0]], directions[pairs[:, 1]]
    depth = -first[:, 2] * second[:, 2]
    squared = (first[:, :2] * second[:, :2]).sum(axis=1) / np.where(np.abs(depth) > 1e-12, depth, np.nan)
    seen = (squared > FOCALS[0] ** 2) & (squared < FOCALS[-1] ** 2)
    focal = np.sqrt(squared[seen])[:, None]
    stretch = np.hstack([1 / focal, 1 / focal, np.ones_like(focal)])
    thirds = np.cross(first[seen] * stretch, second[seen] * stretch) / stretch
    return pairs[seen], thirds / np.linalg.norm(thirds, axis=1, keepdims=True)


def off_square_deg(directions: np.ndarray, triples: np.ndarray, focals: np.ndarray) -> np.ndarray:
    """Largest deviation from a right angle within each triple for the kindest focal length, degrees (T,).

    directions (M, 3) through the stand-in camera; triples (T, 3) indices; focals (F,) as multiples of its.
    """
    stretched = directions * np.stack([np.ones_like(focals), np.ones_like(focals), focals], axis=1)[:, None]
    stretched /= np.linalg.norm(stretched, axis=2, keepdims=True)
    cosines = np.abs(stretched @ stretched.swapaxes(1, 2))
    worst = np.max([cosines[:, triples[:, i], triples[:, j]] for i, j in ((0, 1), (0, 2), (1, 2))], axis=0)
    return np.degrees(np.arcsin(np.minimum(1, worst.min(axis=0))))


def _settled(points: np.ndarray, seen: Evidence, rounds: int) -> np.ndarray:
    """Alternate between giving each segment to its nearest point and refining the points."""
    for _ in range(rounds):
        own = _nearest(points, seen) * seen.weights
        points = np.where(own.any(axis=1)[:, None], refined(points, seen, own), points)
    return points


def _nearest(points: np.ndarray, seen: Evidence) -> np.ndarray:
    """Which segments are nearer to this point than to any other, (M, N) bool."""
    explained = support(points, seen, limit=100.0)
    return explained.argmax(axis=0) == np.arange(len(points))[:, None]


def _axes(seen: Evidence) -> np.ndarray:
    """Three directions: one axis from crossings of segments, the turn about it by vote, then all refined as one
    rotation (the vote is that of Lu, Yao, Li, Liu, Liu 2017, "2-line exhaustive searching"). In the end each goes to
    its own segments as far as the others let it, for no house is quite square."""
    crossings, agreement = _hypotheses(seen)
    chosen = _apart(crossings, agreement @ seen.weights, AXES_TRIED, apart_deg=1.5)
    frames = _frames(crossings[chosen], (1 - agreement[chosen]) * seen.weights, seen)
    finalists = frames[np.argsort(-_explained(frames, seen, 2 * LIMIT))[:8]]
    finalists = np.array([rotated(frame, seen, 1.5 * LIMIT, rounds=5) for frame in finalists])
    axes = rotated(finalists[_explained(finalists, seen, LIMIT).argmax()], seen)
    for _ in range(2):
        axes = refined(axes, seen, _nearest(axes, seen) * seen.weights, rounds=4, square=SQUARE)
    shares = (support(axes, seen) * _nearest(axes, seen)) @ seen.weights
    return axes[np.argsort(-shares)]


def _frames(axes: np.ndarray, weights: np.ndarray, seen: Evidence) -> np.ndarray:
    """For each axis (M, 3), the three orthogonal frames about it that most of the other segments vote for.

    A segment whose line is l is parallel to the direction across the axis at the angle where l . d = 0; the
    two remaining axes are 90 degrees apart, so votes are folded into a quarter turn. Returns (3 M, 3, 3).
    """
    helper = np.where(np.abs(axes[:, :1]) < 0.7, [[1.0, 0, 0]], [[0, 1.0, 0]])
    across = np.cross(axes, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(axes, across)
    angle = np.arctan2(-(across @ seen.lines.T), third @ seen.lines.T) % (np.pi / 2)
    which = np.arange(len(axes))
    votes = np.minimum((angle / (np.pi / 2) * VOTE_BINS).astype(int), VOTE_BINS - 1) + VOTE_BINS * which[:, None]
    votes = np.bincount(votes.ravel(), weights.ravel(), VOTE_BINS * len(axes)).reshape(-1, VOTE_BINS)
    votes = votes + (np.roll(votes, 1, axis=1) + np.roll(votes, -1, axis=1)) / 2
    frames = []
    for _ in range(3):
        best = votes.argmax(axis=1)
        turn = ((best + 0.5) / VOTE_BINS * np.pi / 2)[:, None]
        second = np.cos(turn) * across + np.sin(turn) * third
        frames.append(np.stack([axes, second, np.cross(axes, second)], axis=1))
        for offset in range(-2, 3):
            votes[which, (best + offset) % VOTE_BINS] = 0
    return np.concatenate(frames)


def _explained(frames: np.ndarray, seen: Evidence, limit: float) -> np.ndarray:
    """Weight explained by each frame (T, 3, 3), (T,)."""
    explained = support(frames.reshape(-1, 3), seen, limit).reshape(len(frames), 3, -1)
    return explained.max(axis=1) @ seen.weights
