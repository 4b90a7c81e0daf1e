"""What differs between finished studies: their settings, and how the rows that they share compare."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from realgap.report.sections import Table
from realgap.statistics import differences
from realgap.statistics.rows import judged


class Hits(NamedTuple):
    """What a study's classifiers say right, row by row, in its order."""

    right: Mapping[str, np.ndarray]  # row -> (seeds, images), as tables.hits has it
    images: tuple[int, ...]  # which test images they are


def settings(folders: Mapping[str, Path]) -> pd.DataFrame:
    """A row per setting in which any two studies differ: key, default, and a column for each study.

    By run/settings.csv of each, which holds what differs from the default study. Empty where a study has none.
    """
    said = {study: _changes(folder) for study, folder in folders.items()}
    keys = sorted({key for changes in said.values() if changes is not None for key in changes})
    rows = []
    for key in keys:
        default = next(changes[key][0] for changes in said.values() if changes and key in changes)
        row = {"key": key, "default": default}
        row |= {study: "" if own is None else own.get(key, ("", default))[1] for study, own in said.items()}
        rows.append(row)
    frame = pd.DataFrame(rows, columns=["key", "default", *folders])
    return frame[frame[list(folders)].nunique(axis=1) > 1].reset_index(drop=True)


def contrasts(found: Mapping[str, Hits], margin: float) -> pd.DataFrame:
    """A row per study but the first and per row that both have: its accuracy less that of the first study.

    margin: of accuracy. Where both studies test on the same images, the images' part of the interval is of their
    differences. Of none or one study there is no row. Columns: study, reference, training_set, same_images, difference,
    low, high, verdict, within_margin.
    """
    (first, base), *others = found.items() if found else [("", None)]
    rows = []
    for study, own in others:
        same = own.images == base.images
        for row in own.right:
            if row in base.right:
                one = judged(differences.apart(own.right[row], base.right[row], same), margin)
                rows.append((study, first, row, same, *one[:5]))
    heads = ["study", "reference", "training_set", "same_images"]
    return pd.DataFrame(rows, columns=[*heads, "difference", "low", "high", "verdict", "within_margin"])


SETTINGS = Table(
    path="settings.csv",
    caption="Settings in which the studies differ. Any of them may be why their numbers do.",
    columns={"key": "setting", "default": "default"},
)
CONTRASTS = Table(
    path="contrasts.csv",
    caption="Accuracy of the same row in two studies: the study less the reference, in points. In brackets: 95 % "
    "intervals over the seeds of both and the test images. Each row has its own 5 %.",
    columns={
        "study": "study",
        "reference": "less",
        "training_set": "training set",
        "same_images": "same test images",
        "difference": "difference, points",
        "judged": "verdict",
    },
    intervals={"difference": ("low", "high")},
)


def _changes(folder: Path) -> dict[str, tuple[str, str]] | None:
    """key -> (default, here); None where nothing says what the study's settings were."""
    path = folder / "run/settings.csv"
    if not path.is_file():
        return None
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return {row.key: (row.default, row.here) for row in frame.itertuples()}
