"""Accuracy of vanishing points on scenes hard as photographs are: `envs/run python -m tests.benchmarks.hard_scenes`.

Prints the table of workflow/docs/geometry.md: AA@3/5/10 of two halves of the scenes, one that constants may be chosen
on and one that they may not. Scenes are kept once drawn. To compare two states of the code, pair them by scene:

    envs/run python -m tests.benchmarks.hard_scenes --errors before.npz    # in the one
    envs/run python -m tests.benchmarks.hard_scenes --before before.npz    # in the other
"""

import argparse
import time
from pathlib import Path

import numpy as np

from realgap.geometry.accuracy import angle_accuracy, direction_errors_deg
from realgap.geometry.camera import residuals_deg
from realgap.geometry.segments import lengths_px, line_segments
from realgap.geometry.vanishing import points_of_segments
from realgap.statistics import bootstrap_interval
from tests.geometry.benchmark import METHODS
from tests.geometry.photographic import labelled, photographic

HALVES = {"chosen on": 20_000, "held out": 21_000}  # first seeds
FEWEST_PX = 200  # of lines of each axis: nobody labels a direction that the picture does not show
LONG_PX, NEAR_DEG = 25, 2.0
LIMITS_DEG = (3, 5, 10)

# What no method that is told less can pass: (segments, camera, true directions) -> points.
BOUNDS = {
    "true axes": lambda segments, camera, directions: directions @ camera.T,
    "square frame nearest to them": lambda segments, camera, directions: _square(directions) @ camera.T,
    "uncalibrated, lines of the axes alone": lambda segments, camera, directions: points_of_segments(
        _theirs(segments, camera, directions), *SIZE_PX
    ),
    "known camera, lines of the axes alone": lambda segments, camera, directions: points_of_segments(
        _theirs(segments, camera, directions), *SIZE_PX, camera
    ),
}
SIZE_PX = (640, 480)


def scenes(seeds, kept_in: Path):
    """(seed, gray, intrinsics, directions) of each seed, drawn unless its file is there."""
    kept_in.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        path = kept_in / f"{seed}.npz"
        if not path.exists():
            view = photographic(seed)
            np.savez(path, gray=view.gray, intrinsics=view.intrinsics, directions=view.directions)
        with np.load(path) as kept:
            yield seed, kept["gray"], kept["intrinsics"], kept["directions"]


def shown_px(segments, intrinsics, directions):
    """Length of long segments that point at each true direction and at no other better, (3,) px."""
    off_deg = residuals_deg(directions @ intrinsics.T, segments)
    lengths = lengths_px(segments)
    mine = (off_deg.argmin(axis=0) == np.arange(3)[:, None]) & (off_deg < NEAR_DEG) & (lengths > LONG_PX)
    return mine @ lengths


def _theirs(segments, camera, directions):
    return segments[residuals_deg(directions @ camera.T, segments).min(axis=0) < NEAR_DEG]


def _square(directions):
    left, _, right = np.linalg.svd(directions)
    return left @ right


def errors_deg(found):
    """Errors of each method and bound by scene, name -> (S, 3) degrees, and each method's milliseconds an image."""
    errors, seconds = {name: [] for name in (*METHODS, *BOUNDS)}, dict.fromkeys([*METHODS, "lsd"], 0.0)
    for seed, gray, intrinsics, directions in found:
        started = time.process_time()
        segments = line_segments(gray)
        took = time.process_time() - started
        if shown_px(segments, intrinsics, directions).min() < FEWEST_PX:
            continue
        seconds["lsd"] += took
        for name, method in METHODS.items():
            started = time.process_time()
            points = method(segments, gray.shape[1], gray.shape[0], intrinsics)
            seconds[name] += time.process_time() - started
            errors[name].append(direction_errors_deg(points[:3], intrinsics, labelled(directions, seed)))
        for name, bound in BOUNDS.items():
            points = bound(segments, intrinsics, directions)
            errors[name].append(direction_errors_deg(points[:3], intrinsics, labelled(directions, seed)))
    count = len(errors["uncalibrated"])
    times = {name: 1000 * (seconds[name] + seconds["lsd"]) / count for name in METHODS}
    return {name: np.array(each) for name, each in errors.items()}, times


def gained(before, after, limit_deg):
    """Points of AA@limit gained, with the 95 % interval over scenes, (3,); errors (S, 3) degrees of the same scenes."""
    by_scene = (np.minimum(before, limit_deg) - np.minimum(after, limit_deg)).mean(axis=1)
    return bootstrap_interval(100 * by_scene / limit_deg, lambda drawn: float(np.mean(drawn)), seed=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=60, help="drawn for each half (default: %(default)s)")
    parser.add_argument("--kept", type=Path, default=Path("results/hard-scenes"), help="drawn scenes (%(default)s)")
    parser.add_argument("--errors", type=Path, help="write all errors here")
    parser.add_argument("--before", type=Path, help="errors of another state of the code to compare with")
    args = parser.parse_args()
    found = {half: errors_deg(scenes(range(first, first + args.scenes), args.kept)) for half, first in HALVES.items()}
    print("AA@3 / @5 / @10 in percent (milliseconds of one core an image, LSD included)\n")
    _row("", [f"{half}, {len(errors['true axes'])} scenes" for half, (errors, _) in found.items()])
    _row("---", ["---"] * len(found))
    for name in (*METHODS, *BOUNDS):
        _row(name, [_accuracy(errors[name]) + _took(times.get(name)) for errors, times in found.values()])
    everything = {f"{half}, {name}": errors[name] for half, (errors, _) in found.items() for name in METHODS}
    if args.errors:
        np.savez(args.errors, **everything)
    if args.before:
        print("\nGained, with its 95 % interval over scenes\n")
        _row("half and method", [f"AA@{k}" for k in LIMITS_DEG])
        _row("---", ["---"] * len(LIMITS_DEG))
        with np.load(args.before) as before:
            for name, each in everything.items():
                gains = [gained(before[name], each, k) for k in LIMITS_DEG]
                _row(name, [f"{gain:+.1f} ({low:+.1f} to {high:+.1f})" for gain, low, high in gains])


def _accuracy(errors):
    return " / ".join(f"{part:.1f}" for part in angle_accuracy(errors.ravel(), LIMITS_DEG))


def _took(milliseconds):
    return "" if milliseconds is None else f" ({milliseconds:.0f})"


def _row(title, cells):
    print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
