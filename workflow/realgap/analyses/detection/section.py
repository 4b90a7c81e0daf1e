"""How well small classifiers tell each set of images from real test images, with controls beside the generators."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from realgap.analyses.detection import TITLE, measures
from realgap.features.image_sets import ImageSet
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table
from realgap.statistics import auc, bootstrap_interval

INPUTS = {"features": "features", "pixels": "images"}  # what a detector sees -> array of it
CONTROLS = ("real", "resampled", "vae_only")


def detections(
    test: ImageSet,
    sets: Mapping[str, ImageSet],
    detectors: Mapping[str, measures.Detector],
    extractor: str,
    seed: int,
    folds: int,
    resamples: int,
) -> pd.DataFrame:
    """A row per set and detector: the cross-validated AUC against the real test images, with its interval.

    test, sets: of equal numbers a class, or classes are told apart. Variants of one real image stay in one fold.
    detectors: by what they see, features or pixels. Column `sees`: pixels, or the name of the network of the
    features. The difference is to the set `real`, real training images, with both sides resampled by themselves,
    so its interval is rather too wide.
    """
    rows = []
    for sees, detector in detectors.items():
        items = {source: getattr(own, INPUTS[sees]) for source, own in sets.items()}
        real = getattr(test, INPUTS[sees])
        ranks = {
            source: measures.out_of_fold_ranks(real, items[source], detector, seed, _groups(test, own), folds)
            for source, own in sets.items()
        }
        for source, (of_real, own) in ranks.items():
            area = bootstrap_interval((own, of_real), auc, seed, resamples)
            row = dict(zip(("auc", "low", "high"), area, strict=True))
            difference = (np.nan,) * 3
            if source != CONTROLS[0]:
                sides = own, of_real, *ranks[CONTROLS[0]][::-1]
                difference = bootstrap_interval(sides, _difference, seed, resamples)
            row |= dict(zip(("difference", "difference_low", "difference_high"), difference, strict=True))
            seen = sees if sees == "pixels" else extractor
            rows.append({"source": source, "sees": seen, **row, "n_real": len(of_real), "n_images": len(own)})
    frame = pd.DataFrame(rows)
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
                    f"{name(row.source)}, by a classifier on {_sight(seen)}: {row.verdict}. AUC {row.auc:.2f} (95 % "
                    f"interval {row.low:.2f} to {row.high:.2f}); the controls have {control}."
                )
    return Section(
        name="detection",
        title=TITLE,
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
                    "difference": "difference to real",
                    "difference_low": "from",
                    "difference_high": "to",
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


def _groups(test: ImageSet, own: ImageSet) -> np.ndarray:
    """One group per real image and what was made from it."""
    return np.unique(np.concatenate([test.image_ids, own.image_ids]), return_inverse=True)[1]


def _difference(own: np.ndarray, real: np.ndarray, control: np.ndarray, real_of_control: np.ndarray) -> float:
    return auc(own, real) - auc(control, real_of_control)


def _verdict(row) -> str:
    if np.isnan(row.difference):
        return "control"
    half = (row.difference_high - row.difference_low) / 2
    if row.difference_low <= 0 <= row.difference_high:
        return f"told no better than real training images: {row.difference:+.2f} ± {half:.2f}"
    better = "better" if row.difference > 0 else "worse"
    return f"told {better} than real training images: {row.difference:+.2f} ± {half:.2f}"


def _sight(seen: str) -> str:
    return "pixels" if seen == "pixels" else f"features of {seen}"
