"""Which layers lose what generated images lack? Frozen stages of a generated-image network, the rest tuned on real."""

import numpy as np
import pandas as pd

from realgap.analyses.transfer import TITLE
from realgap.report import tables
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table
from realgap.report.summary import percent, points

SCRATCH = "scratch"  # trained from scratch on the same part of the real images


def compare(observed: pd.DataFrame) -> pd.DataFrame:
    """A row per training set, number of frozen stages and fraction of the real images, against `scratch`.

    observed: training_set, seed, frozen_stages, fraction, n_real, accuracy. Columns as tables.over_seeds; the
    difference is to training from scratch on the same fraction, paired by seed.
    """
    scratch = observed[observed.training_set == SCRATCH]
    frozen = observed[observed.training_set != SCRATCH].frozen_stages.unique()
    everywhere = pd.concat([scratch.assign(frozen_stages=count) for count in frozen])
    rows = pd.concat([everywhere, observed[observed.training_set != SCRATCH]])
    table = tables.over_seeds(rows, "accuracy", ["frozen_stages", "fraction"], reference=SCRATCH)
    n_real = observed.drop_duplicates("fraction").set_index("fraction").n_real
    table.insert(3, "n_real", table.fraction.map(n_real))
    return table


def section(table: pd.DataFrame) -> Section:
    """The report's section: for each training set the best cell, and what freezing everything costs."""
    sentences = []
    for training_set, rows in table[table.training_set != SCRATCH].groupby("training_set", sort=False):
        best = rows.loc[rows.difference.idxmax()]
        deepest = rows.sort_values(["frozen_stages", "fraction"]).iloc[-1]
        said = (
            f"{name(training_set)}: pre-training helps most with {best.n_real:,.0f} real images and "
            f"{best.frozen_stages:.0f} frozen stages: {_against_scratch(best)}."
        )
        if best.name != deepest.name:
            said += (
                f" With {deepest.frozen_stages:.0f} stages frozen and all {deepest.n_real:,.0f} real images it reaches "
                f"{_against_scratch(deepest)}."
            )
        sentences.append(said)
    return Section(
        name="transfer",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "transfer/table.csv",
                "Classifiers trained on generated images, the first stages frozen, the rest tuned on part of the real "
                "images; difference to training from scratch on that part. 95 % intervals over seeds, fractions.",
                {
                    "training_set": "pre-trained on",
                    "frozen_stages": "frozen stages",
                    "n_real": "real images",
                    "mean": "accuracy",
                    "difference": "difference to scratch",
                    "difference_low": "95 % interval from",
                    "difference_high": "to",
                },
            )
        ],
        figures=[
            Figure(
                "figures/transfer.svg",
                "Accuracy after tuning, in percent, by frozen stages and real images; the bottom row is training "
                "from scratch on the same real images. A dot marks a difference to it whose interval excludes zero.",
                "A heat map of accuracy per training set; the table above holds it",
            )
        ],
        notes=[
            "A network whose first stages serve as well frozen as tuned has learned them from generated images; the "
            "stage from which freezing costs accuracy is where the gap lies. The best cell is chosen among "
            f"{len(table[table.training_set != SCRATCH])}, so its difference is an optimistic one. "
            "Training from scratch gets the optimiser steps of a tuning (transfer.steps), few on purpose: what real "
            'images reach in a whole training is the row "real" of the first table.'
        ],
    )


def _against_scratch(row: pd.Series) -> str:
    interval = f" ({points(row.difference_low)} to {points(row.difference_high)})"
    known = "" if np.isnan(row.difference_low) else interval
    return f"{percent(row['mean'])}, {points(row.difference)} points against scratch{known}"
