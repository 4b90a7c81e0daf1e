"""How bright the images of each source are, against real ones: the table, and what the page says of it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from realgap.analyses.brightness import TITLE
from realgap.report.sections import Section, Table
from realgap.report.style import name
from realgap.statistics import bootstrap_interval


def brightness(images: Mapping[str, np.ndarray], seed: int, resamples: int) -> pd.DataFrame:
    """A row per source: mean grey level, and its difference to `real` with a 95 % bootstrap interval over images.

    images: source -> uint8 (n, h, w, 3), `real` among them.
    """
    levels = {source: own.mean(axis=(1, 2, 3)) for source, own in images.items()}
    rows = []
    for source, own in levels.items():
        difference = bootstrap_interval((own, levels["real"]), lambda a, b: a.mean() - b.mean(), seed, resamples)
        rows.append((source, len(own), own.mean(), *difference))
    return pd.DataFrame(rows, columns=["source", "n_images", "mean", "difference", "difference_low", "difference_high"])


def section(table: pd.DataFrame) -> Section:
    """The section of the page: a sentence per source, and the table."""
    sentences = [
        f"{name(row.source)}: {row.difference:+.1f} grey levels against real images "
        f"(95 % interval {row.difference_low:+.1f} to {row.difference_high:+.1f})."
        for row in table[table.source != "real"].itertuples()
    ]
    columns = {"source": "source", "n_images": "images", "mean": "mean grey level", "difference": "difference to real"}
    shown = Table(
        "brightness/table.csv",
        "Mean grey level of the images of each source, from 0 to 255.",
        columns,
        {"difference": ("difference_low", "difference_high")},
    )
    return Section("brightness", TITLE, sentences, [shown])
