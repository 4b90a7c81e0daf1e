"""Which layers lose what generated images lack? Frozen stages of a generated-image network, the rest tuned on real."""

import numpy as np
import pandas as pd

from realgap.analyses.transfer import TITLE
from realgap.analyses.transfer.hits import unpacked
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table
from realgap.report.wording import percent, points, told
from realgap.statistics.crossed import variances
from realgap.statistics.differences import paired
from realgap.statistics.families import stand_out
from realgap.statistics.shares import mean_share

SCRATCH = "scratch"  # trained from scratch on the same part of the real images


def compare(observed: pd.DataFrame) -> pd.DataFrame:
    """A row per training set, number of frozen stages and fraction of the real images, against `scratch`.

    observed: training_set, seed, frozen_stages, fraction, n_real, and hits: right answers as `packed` writes them.
    The difference is to training from scratch on the same fraction, within a seed; family_p: its p among all cells of
    the training set (statistics.families.stand_out).
    """
    cells = {
        key: np.stack([unpacked(row.hits, row.n_test) for row in rows.sort_values("seed").itertuples()])
        for key, rows in observed.groupby(["training_set", "frozen_stages", "fraction"], sort=False)
    }
    scratch = {fraction: right for (name, _, fraction), right in cells.items() if name == SCRATCH}
    n_real = observed.drop_duplicates("fraction").set_index("fraction").n_real
    rows = []
    for (training_set, frozen, fraction), right in cells.items():
        found = (np.nan,) * 3 if training_set == SCRATCH else paired(right, scratch[fraction])[:3]
        rows.append((training_set, frozen, fraction, n_real[fraction], len(right), *mean_share(right), *found))
    heads = ["training_set", "frozen_stages", "fraction", "n_real", "n_seeds", "mean", "low", "high"]
    table = pd.DataFrame(rows, columns=[*heads, "difference", "difference_low", "difference_high"])
    table["family_p"] = np.nan
    for _, rows in table[table.training_set != SCRATCH].groupby("training_set"):
        own = [
            cells[key] - scratch[key[2]].astype(np.int8)
            for key in zip(*(rows[head] for head in heads[:3]), strict=True)
        ]
        each = np.stack(own)
        table.loc[rows.index, "family_p"] = stand_out(each.mean(axis=2).T, variances(each)[1]).p_values
    return table


def section(table: pd.DataFrame) -> Section:
    """The report's section: for each training set the cells that stand out, and what freezing everything costs."""
    sentences = []
    for training_set, rows in table[table.training_set != SCRATCH].groupby("training_set", sort=False):
        sure = rows[rows.family_p <= 0.05]
        helps, hurts = sure[sure.difference > 0], sure[sure.difference < 0]
        deepest = rows.sort_values(["frozen_stages", "fraction"]).iloc[-1]
        said = f"{name(training_set)}: pre-training stands out against scratch in {len(sure)} of {len(rows)} cells."
        if len(helps):
            said += f" It helps most with {_cell(helps.loc[helps.difference.idxmax()])}."
        if len(hurts):
            said += f" It hurts most with {_cell(hurts.loc[hurts.difference.idxmin()])}."
        said += f" With {deepest.frozen_stages:.0f} stages frozen and all {deepest.n_real:,.0f} real images: "
        said += f"{_told(deepest)}."
        sentences.append(said)
    return Section(
        name="transfer",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "transfer/table.csv",
                "Classifiers trained on generated images, the first stages frozen, the rest tuned on part of the real "
                "images; difference to training from scratch on that part. 95 % intervals over seeds and test "
                "images, each cell by itself; p among all cells of a training "
                "set. Fractions.",
                {
                    "training_set": "pre-trained on",
                    "frozen_stages": "frozen stages",
                    "n_real": "real images",
                    "mean": "accuracy",
                    "difference": "difference to scratch",
                    "difference_low": "95 % interval from",
                    "difference_high": "to",
                    "family_p": "p among all cells",
                },
            )
        ],
        figures=[
            Figure(
                "figures/transfer.svg",
                "Accuracy after tuning, in percent, by frozen stages and real images; the bottom row is training "
                "from scratch on the same real images. A dot marks a cell whose difference to it stands out among all.",
                "A heat map of accuracy per training set; the table above holds it",
            )
        ],
        notes=[
            "A network whose first stages serve as well frozen as tuned has learned them from generated images; the "
            "stage from which freezing costs accuracy is where the gap lies. A cell is named only where it stands out "
            "among all of its training set; the largest of them is then an optimistic one. "
            "Training from scratch gets the optimiser steps of a tuning (transfer.steps), few on purpose: what real "
            'images reach in a whole training is the row "real" of the first table.'
        ],
    )


def _cell(row: pd.Series) -> str:
    return (
        f"{row.n_real:,.0f} real images and {row.frozen_stages:.0f} frozen stages: {percent(row['mean'])}, {_told(row)}"
    )


def _told(row: pd.Series) -> str:
    bounds = row.difference, row.difference_low, row.difference_high, int(row.n_seeds)
    return told(*bounds, ("better than scratch", "worse than scratch"), reference="scratch", shown=points)
