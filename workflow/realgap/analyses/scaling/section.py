"""Does more generated data make up for what each image lacks? Accuracy against generated images per real one."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from realgap.analyses.scaling import TITLE
from realgap.report import tables
from realgap.report.sections import Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import UNTOLD, interval, mark, percent, points, within
from realgap.statistics import rows as judging
from realgap.statistics.differences import difference
from realgap.statistics.shares import above_chance
from realgap.statistics.verdicts import Verdict

REAL = ("real", 0)  # training set and multiple of the reference


def accuracies(runs: Sequence[dict], multiples: Sequence[int]) -> pd.DataFrame:
    """tables.accuracies of the runs, each with its multiple; those of `real` stand at every multiple.

    runs: as tables.accuracies takes them, with `multiple`, generated images of each real one (real: any).
    """
    frame = tables.accuracies(list(runs))
    frame.insert(1, "multiple", [run["multiple"] for run in runs])
    real = frame[frame.training_set == "real"]
    grown = frame[frame.training_set != "real"].sort_values("multiple", kind="stable")
    return pd.concat([*(real.assign(multiple=multiple) for multiple in multiples), grown], ignore_index=True)


def hits(runs: Sequence[dict]) -> dict[tuple[str, int], np.ndarray]:
    """Right answers (seeds, images) of each training set and multiple; real images, whose multiple is 0, first."""
    named = [{**run, "training_set": (run["training_set"], run["multiple"])} for run in runs]
    for run in named:
        run["training_set"] = REAL if run["training_set"][0] == "real" else run["training_set"]
    return tables.hits(sorted(named, key=lambda run: run["training_set"] != REAL))


def table(correct: Mapping[tuple[str, int], np.ndarray], margin: float, chance: float) -> pd.DataFrame:
    """tables.judged of each training set and multiple against real images, which stand at every multiple."""
    frame = tables.judged(correct, margin, chance, reference=REAL)
    frame.insert(1, "multiple", [multiple for _, multiple in frame.training_set])
    frame["training_set"] = [training_set for training_set, _ in frame.training_set]
    real = frame[frame.training_set == "real"]
    grown = frame[frame.training_set != "real"].sort_values("multiple", kind="stable")
    everywhere = [real.assign(multiple=multiple) for multiple in sorted(grown.multiple.unique())]
    return pd.concat([*everywhere, grown], ignore_index=True)


def gains(correct: Mapping[tuple[str, int], np.ndarray], margin: float, chance: float) -> pd.DataFrame:
    """A row per training set: accuracy with most against fewest generated images, judged as statistics.rows.pairs does.

    chance: what guessing reaches (tables.guessing).
    """
    names, each = list(correct), np.stack(list(correct.values()))
    multiples = [multiple for training_set, multiple in names if training_set != REAL[0]]
    least, most = min(multiples), max(multiples)
    rows = []
    for training_set in dict.fromkeys(training_set for training_set, _ in names if training_set != REAL[0]):
        many, few = (names.index((training_set, multiple)) for multiple in (most, least))
        learned = above_chance(each[many], chance) or above_chance(each[few], chance)
        found = judging.judged(difference(each.mean(axis=2), many, few, each), margin, learned)
        rows.append((training_set, least, most, each.shape[1], *found[:5]))
    heads = ["training_set", "from_multiple", "to_multiple", "n_seeds", "gain", "low", "high"]
    return pd.DataFrame(rows, columns=[*heads, "verdict", "within_margin"])


def section(table: pd.DataFrame, gained: pd.DataFrame, margin: float) -> Section:
    """The report's section: what more of the same brings, and how far from real it ends."""
    sentences = []
    for row in gained.itertuples():
        own = table[(table.training_set == row.training_set) & (table.multiple == row.to_multiple)].iloc[0]
        sentences.append(
            f"{name(row.training_set)}: from {row.from_multiple} to {row.to_multiple} generated images per real one it "
            f"{_gained(row, margin)}. It ends at {percent(own['mean'])}, {points(own.difference)} points "
            f"({interval(own.difference_low, own.difference_high, points)}) against real: "
            f"{mark(own.verdict, margin, own.within_margin)}."
        )
    return Section(
        name="scaling",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "scaling/table.csv",
                "Accuracy by generated images per real one (nested sets, the same number of optimiser steps); mean "
                "over seeds and difference to real with 95 % intervals over seeds and test images, fractions. "
                f"Undecided: {UNTOLD} real.",
                {
                    "training_set": "training set",
                    "multiple": "generated per real",
                    "mean": "accuracy",
                    "low": "95 % interval from",
                    "high": "to",
                    "difference": "difference to real",
                    "difference_low": "from",
                    "difference_high": "to",
                    "verdict": "verdict",
                },
            )
        ],
        figures=[
            Figure(
                "figures/scaling.svg",
                "Accuracy against generated images per real one, with 95 % intervals over seeds and test images.",
                "Lines of accuracy against the number of generated images; the table above holds them",
            )
        ],
        notes=[
            "Every point trains for the same number of optimiser steps: more images mean fewer repetitions of each."
        ],
    )


def _gained(row, margin: float) -> str:
    said = {
        Verdict.BETTER: "gains",
        Verdict.WORSE: "loses",
        Verdict.EQUIVALENT: f"stays within {within(margin)}",
        Verdict.UNDECIDED: f"is {UNTOLD} itself with fewer",
        Verdict.TOO_FEW: f"moves, {Verdict.TOO_FEW} which way",
    }
    return f"{said[row.verdict]} ({points(row.gain)} points, {interval(row.low, row.high, points)})"
