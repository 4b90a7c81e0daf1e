"""How well small classifiers tell each set of images from real test images, with controls beside the generators."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from realgap import detection
from realgap.figures import name
from realgap.image_sets import ImageSet
from realgap.sections import Figure, Section, Table

INPUTS = {"features": "features", "pixels": "images"}  # what a detector sees -> array of it
CONTROLS = ("real", "resampled", "vae_only")


def detections(
    test: ImageSet,
    sets: Mapping[str, ImageSet],
    detectors: Mapping[str, detection.Detector],
    extractor: str,
    seed: int,
    folds: int,
    resamples: int,
) -> pd.DataFrame:
    """A row per set and detector: the cross-validated AUC against the real test images, with its interval.

    test, sets: of equal numbers a class, or classes are told apart. Variants of one real image stay in one fold.
    detectors: by what they see, features or pixels. Column `sees`: pixels, or the name of the network of the features.
    """
    rows = []
    for source, own in sets.items():
        groups = _groups(test.image_ids, own.image_ids)
        for sees, detector in detectors.items():
            array = INPUTS[sees]
            items = getattr(test, array), getattr(own, array)
            area = detection.detect(*items, detector, seed, groups, folds, resamples)
            seen = sees if sees == "pixels" else extractor
            rows.append((source, seen, *area, *map(len, items)))
    frame = pd.DataFrame(rows, columns=["source", "sees", "auc", "low", "high", "n_real", "n_images"])
    frame["verdict"] = [_verdict(row) for row in frame.itertuples()]
    return frame


def section(found: pd.DataFrame) -> Section:
    """The report's section; controls are in the sentences of the generators they limit."""
    sentences = []
    for seen, rows in found.groupby("sees", sort=False):
        area = rows.set_index("source").auc
        control = "; ".join(f"{name(source)} {area[source]:.2f}" for source in CONTROLS if source in area)
        for row in rows.itertuples():
            if row.source not in CONTROLS:
                sentences.append(
                    f"{name(row.source)} is {row.verdict} by a classifier on {_sight(seen)}: AUC {row.auc:.2f} "
                    f"(95 % interval {row.low:.2f} to {row.high:.2f}); the same detector gives the controls {control}."
                )
    return Section(
        name="detection",
        title="Can generated images be told from real ones?",
        sentences=sentences,
        tables=[
            Table(
                "detection/table.csv",
                "Each set against as many real test images, cross-validated. 0.5: not told apart; 1: always.",
                {
                    "source": "set",
                    "sees": "detector sees",
                    "auc": "AUC",
                    "low": "95 % interval from",
                    "high": "to",
                    "n_images": "images of each side",
                    "verdict": "verdict",
                },
            )
        ],
        figures=[
            Figure(
                "figures/detection.svg",
                "AUC of two detectors for each set, controls first; the dotted line at 0.5 is not told apart.",
                "Intervals of the AUC, a row per set; the table above holds them",
            )
        ],
        notes=[
            "A detector says that there is a difference, not which. Only what exceeds the controls is the generator's: "
            "real training images (what the features keep of having been trained on), the same halved and doubled, "
            "and passed through the VAE alone. Intervals are bootstraps over images for detectors as they were "
            "fitted, and another fit scatters as well.",
        ],
    )


def _groups(real_ids: np.ndarray, own_ids: np.ndarray) -> np.ndarray:
    """One group per real image and what was made from it."""
    return np.unique(np.concatenate([real_ids, own_ids]), return_inverse=True)[1]


def _verdict(row) -> str:
    if row.low > 0.5:
        return "told from real images"
    return "not told from real images" if row.high >= 0.5 else "ranked below real images"


def _sight(seen: str) -> str:
    return "pixels" if seen == "pixels" else f"features of {seen}"
