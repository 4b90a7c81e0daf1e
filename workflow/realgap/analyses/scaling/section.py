"""Does more generated data make up for what each image lacks? Accuracy against generated images per real one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.analyses.scaling import TITLE
from realgap.report import tables
from realgap.report.figures import name
from realgap.report.sections import Figure, Section, Table
from realgap.report.summary import percent, points


def accuracies(runs: Sequence[dict], multiples: Sequence[int]) -> pd.DataFrame:
    """tables.accuracies of the runs, each with its multiple; those of `real` stand at every multiple.

    runs: as tables.accuracies takes them, with `multiple`, generated images of each real one (real: any).
    """
    frame = tables.accuracies(list(runs))
    frame.insert(1, "multiple", [run["multiple"] for run in runs])
    real = frame[frame.training_set == "real"]
    grown = frame[frame.training_set != "real"].sort_values("multiple", kind="stable")
    return pd.concat([*(real.assign(multiple=multiple) for multiple in multiples), grown], ignore_index=True)


def gains(observed: pd.DataFrame) -> pd.DataFrame:
    """A row per training set: accuracy with most against fewest generated images, paired by seed, with intervals."""
    least, most = observed.multiple.min(), observed.multiple.max()
    rows = []
    for training_set, own in observed[observed.training_set != "real"].groupby("training_set", sort=False):
        few, many = (own[own.multiple == m].sort_values("seed").accuracy.to_numpy() for m in (least, most))
        gain, low, high = statistics.paired_difference(many, few)
        row = {"training_set": training_set, "from_multiple": least, "to_multiple": most, "n_seeds": len(few)}
        row |= {"gain": gain, "low": low, "high": high, "p_value": statistics.permutation_test(many, few)}
        rows.append({**row, "verdict": _verdict(gain, low, high)})
    return pd.DataFrame(rows)


def section(table: pd.DataFrame, gained: pd.DataFrame) -> Section:
    """The report's section: what more of the same brings, and how far from real it ends."""
    sentences = []
    for row in gained.itertuples():
        own = table[(table.training_set == row.training_set) & (table.multiple == row.to_multiple)].iloc[0]
        sentences.append(
            f"{name(row.training_set)}: {row.verdict} from {row.from_multiple} to {row.to_multiple} generated images "
            f"per real one, to {percent(own['mean'])}, {points(own.difference)} points against real{_interval(own)}."
        )
    return Section(
        name="scaling",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "scaling/table.csv",
                "Accuracy by generated images per real one (nested sets, the same number of optimiser steps); mean "
                "over seeds and difference to real with 95 % intervals, fractions.",
                {
                    "training_set": "training set",
                    "multiple": "generated per real",
                    "mean": "accuracy",
                    "low": "95 % interval from",
                    "high": "to",
                    "difference": "difference to real",
                    "difference_low": "from",
                    "difference_high": "to",
                },
            )
        ],
        figures=[
            Figure(
                "figures/scaling.svg",
                "Accuracy against generated images per real one, with 95 % intervals over seeds.",
                "Lines of accuracy against the number of generated images; the table above holds them",
            )
        ],
        notes=[
            "Every point trains for the same number of optimiser steps: more images mean fewer repetitions of each."
        ],
    )


def _verdict(gain: float, low: float, high: float) -> str:
    if np.isnan(low):
        return f"undecided, one seed: {points(gain)} points"
    interval = f"{points(gain)} points (95 % interval {points(low)} to {points(high)})"
    if low <= 0 <= high:
        return f"no gain that the seeds can see, {interval}"
    return f"{'gains' if gain > 0 else 'loses'} {interval}"


def _interval(row) -> str:
    if np.isnan(row.difference_low):
        return ""
    return f" ({points(row.difference_low)} to {points(row.difference_high)})"
