"""What differs between finished studies: their settings, and how the rows that they share compare."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from realgap.report.sections import Table
from realgap.statistics import differences
from realgap.statistics.rows import judged
from realgap.statistics.shares import above_chance

CONFIG = "run/config.yaml"  # of a finished study, every setting that it was made with


class Hits(NamedTuple):
    """What a study's classifiers say right, row by row, in its order."""

    right: Mapping[str, np.ndarray]  # row -> (seeds, images), as tables.hits has it
    images: tuple[int, ...]  # which test images they are
    chance: float  # what guessing reaches on them, tables.guessing


def settings(folders: Mapping[str, Path]) -> pd.DataFrame:
    """A row per setting in which any two studies differ: key, and a column for each study, its values in JSON.

    By CONFIG of each. Empty where a study has no such file, or no such setting.
    """
    said = {study: _flat(config_of(folder) or {}) for study, folder in folders.items()}
    keys = dict.fromkeys(key for config in said.values() for key in config)
    rows = [{"key": key, **{study: config.get(key, "") for study, config in said.items()}} for key in keys]
    frame = pd.DataFrame(rows, columns=["key", *folders], dtype=str)
    return frame[(frame[list(folders)].nunique(axis=1) > 1) & (frame.key != "study")].reset_index(drop=True)


def config_of(folder: Path) -> dict[str, Any] | None:
    """What a finished study was made with; None where its folder does not say it."""
    path = folder / CONFIG
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def contrasts(found: Mapping[str, Hits], margin: float) -> pd.DataFrame:
    """A row per study but the first and per row that both have: its accuracy less that of the first study.

    margin: of accuracy. Where both studies test on the same images, the images' part of the interval is of their
    differences. Where neither has learned anything (statistics.rows.pairs) none is equivalent. Of none or one study
    there is no row. Columns: study, reference, training_set, same_images, difference, low, high, verdict,
    within_margin.
    """
    (first, base), *others = found.items() if found else [("", None)]
    rows = []
    for study, own in others:
        same = own.images == base.images
        for row in own.right:
            if row in base.right:
                learned = any(above_chance(one.right[row], one.chance) for one in (own, base))
                one = judged(differences.apart(own.right[row], base.right[row], same), margin, learned)
                rows.append((study, first, row, same, *one[:5]))
    heads = ["study", "reference", "training_set", "same_images"]
    return pd.DataFrame(rows, columns=[*heads, "difference", "low", "high", "verdict", "within_margin"])


SETTINGS = Table(
    path="settings.csv",
    caption="Settings in which the studies differ. Any of them may be why their numbers do.",
    columns={"key": "setting"},
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


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Dotted key -> its value in JSON; lists are values."""
    found = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = json.dumps(value, ensure_ascii=False)
    return found
