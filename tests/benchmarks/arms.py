"""What ablations share: their command line, where a finished arm is kept, how an interval is written."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from realgap.statistics import differences, shares, verdicts
from realgap.store import files

MARGIN = 0.01  # of accuracy


def parser(description: str, out: str, per_class: int, classifier: str) -> argparse.ArgumentParser:
    """The options of an ablation of a study's images and classifier, with these defaults."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--out", type=Path, default=Path(out), help="folder (default: %(default)s)")
    options.add_argument("--arms", nargs="*", help="names; default: all")
    options.add_argument(
        "--per-class", type=int, default=per_class, help="images that are inverted (default: %(default)s)"
    )
    options.add_argument(
        "--classifier", default=classifier, help="small (a few convolutions) or resnet18 (default: %(default)s)"
    )
    options.add_argument("--table", action="store_true", help="print the table of the finished arms, run nothing")
    return options


def keep(path: Path, found: Mapping[str, Any]) -> None:
    """Write what an arm found, whole or not at all."""
    with files.whole(path) as beside:
        np.savez(beside, **found)


def accuracies(correct: np.ndarray, reference: np.ndarray | None) -> list[str]:
    """Cells of an arm: accuracy, %; its difference to the reference, points; whether it is shown to be within 1 point.

    correct, reference: bool (units, test images), paired by unit and by test image; None: the arm is the reference.
    """
    share = spread(shares.mean_share(correct), scale=100)
    if reference is None:
        return [share, "–", "–"]
    difference = differences.paired(correct, reference)
    said = "shown" if verdicts.equivalent(*difference.inner, MARGIN) else "not shown"
    return [share, spread((difference.value, difference.low, difference.high), 1, "+", 100), said]


def spread(mean_interval: tuple[float, float, float], digits: int = 1, sign: str = "", scale: float = 1) -> str:
    """ "52.4 (51.0 to 53.8)" of (mean, low, high); sign "+": with the signs of a difference."""
    mean, low, high = (f"{scale * value:{sign}.{digits}f}" for value in mean_interval)
    return f"{mean} ({low} to {high})"
