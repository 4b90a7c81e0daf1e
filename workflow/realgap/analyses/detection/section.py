"""How well small classifiers tell each set of images from real test images, with controls beside the generators."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from realgap.analyses.detection import TITLE, measures
from realgap.features.image_sets import ImageSet
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table
from realgap.report.wording import interval, told
from realgap.statistics import areas
from realgap.statistics.verdicts import FEWEST_UNITS

INPUTS = {"features": "features", "pixels": "images"}  # what a detector sees -> array of it
CONTROLS = ("real", "resampled", "vae_only")


def detections(
    test: ImageSet,
    sets: Mapping[str, ImageSet],
    detectors: Mapping[str, measures.Detector],
    extractor: str,
    seed: int,
    folds: int,
) -> pd.DataFrame:
    """A row per set and detector: the cross-validated AUC against the real test images, with its interval.

    test, sets: of equal numbers a class, or classes are told apart. Variants of one real image stay in one fold.
    detectors: by what they see, features or pixels. Column `sees`: pixels, or the name of the network of the
    features. The AUC's interval is over images, for detectors as they were fitted (statistics.areas). The difference
    is to the set `real`, real training images, by measures.beyond.
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
            row = dict(zip(("auc", "low", "high"), areas.mean_auc(own, of_real), strict=True))
            difference = (np.nan,) * 3
            if source != CONTROLS[0]:
                difference = measures.beyond(own, of_real, *ranks[CONTROLS[0]][::-1], folds)
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
                    f"{name(row.source)}, by a classifier on {_sight(seen)}: {row.verdict}. AUC {row.auc:.2f} "
                    f"({interval(row.low, row.high, '{:.2f}'.format)}); the controls have {control}."
                )
    return Section(
        name="detection",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "detection/table.csv",
                "Each set against as many real test images, cross-validated. 0.5: as by chance; 1: always. "
                "95 % intervals over images.",
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
                "AUC of two detectors for each set, controls first; the dotted line at 0.5 is chance.",
                "Intervals of the AUC, a row per set; the table above holds them",
            )
        ],
        notes=[
            "A detector says that there is a difference, not which. Only what exceeds the controls is the generator's: "
            "real training images (what the features keep of having been trained on), the same halved and doubled, "
            "and passed through the VAE alone. Intervals of AUCs hold the choice of the images, for detectors "
            "as they were fitted; those of differences hold the fits as well.",
        ],
    )


def _groups(test: ImageSet, own: ImageSet) -> np.ndarray:
    """One group per real image and what was made from it."""
    return np.unique(np.concatenate([test.image_ids, own.image_ids]), return_inverse=True)[1]


def _verdict(row) -> str:
    if np.isnan(row.difference):
        return "control"
    bounds = row.difference, row.difference_low, row.difference_high, FEWEST_UNITS
    words = "told better than real training images", "told worse than real training images"
    said = told(*bounds, words, reference="that of real training images", shown=_two_digits)
    return f"AUC {said}" if said.startswith("not") else said


def _two_digits(value: float) -> str:
    return f"{value:+z.2f}".replace("-", "\N{MINUS SIGN}")


def _sight(seen: str) -> str:
    return "pixels" if seen == "pixels" else f"features of {seen}"
