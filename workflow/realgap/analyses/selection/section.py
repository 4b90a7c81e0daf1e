"""Whether choosing among candidates helps, and what is chosen: tables and sentences."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.analyses.selection import TITLE
from realgap.report.sections import Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import points, seeds
from realgap.statistics.differences import p_of, paired
from realgap.statistics.rows import judged
from realgap.statistics.shares import above_chance
from realgap.statistics.verdicts import Verdict

ALPHA = 0.05


def gains(
    correct: Mapping[str, np.ndarray],
    controls: Mapping[str, Mapping[str, str]],
    drawn: Mapping[str, int],
    margin: float,
    chance: float = 0.0,
) -> pd.DataFrame:
    """A row per training set that holds a selection, and control: whether it is better, and what a point costs.

    correct: training set -> (seeds, images) bool. controls: training set -> {"picked": the same with a random pick,
    "all": the same with all candidates}, those that there are. drawn: training set -> images sampled for each real one.
    chance: what guessing reaches (statistics.rows.study_rows). Columns: training_set, control, compared_with, n_units,
    difference, difference_low, difference_high, verdict, detectable, p_value, family_p (Holm over all rows), sampled
    (images for each real one), sampled_per_point.
    """
    rows = []
    for training_set, others in controls.items():
        for control, other in others.items():
            found = paired(correct[training_set], correct[other])
            learned = above_chance(correct[other], chance)
            value, low, high, verdict, _, detectable, _ = judged(found, margin, learned)
            rows.append(
                {
                    **{"training_set": training_set, "control": control, "compared_with": other},
                    **{"n_units": len(correct[training_set]), "difference": value},
                    **{"difference_low": low, "difference_high": high, "verdict": verdict, "detectable": detectable},
                    **{"p_value": p_of(found), "sampled": drawn[training_set]},
                    "sampled_per_point": drawn[training_set] / (100 * value) if value > 0 else np.nan,
                }
            )
    table = pd.DataFrame(rows)
    known = table.p_value.notna()
    table["family_p"] = np.nan
    if known.any():
        table.loc[known, "family_p"] = statistics.holm(table.loc[known, "p_value"])
    return table


def section(table: pd.DataFrame, chosen: pd.DataFrame) -> Section:
    """The report's section; chosen: a row per source as the step measures it."""
    return Section(
        name="selection",
        title=TITLE,
        sentences=[*_helped(table), *_wrong(chosen)],
        tables=[
            Table(
                "selection/gains.csv",
                "Accuracy with chosen images against a random pick of the same candidates, and against all candidates, "
                "at equal steps. 95 % intervals over seeds and test images.",
                {
                    **{"training_set": "training set", "compared_with": "compared with", "difference": "difference"},
                    **{"difference_low": "from", "difference_high": "to", "verdict": "verdict"},
                    **{
                        "sampled": "images sampled for each real one",
                        "sampled_per_point": "sampled for each point gained",
                    },
                },
            ),
            Table(
                "selection/sources.csv",
                "What was chosen, by a classifier that is trained on all real images and chooses nothing: labels that "
                "it does not predict, how many different images a class amounts to, sharpness, and width of gaze.",
                {
                    **{"source": "source", "n": "images", "refused": "kept though refused"},
                    **{"label_errors": "label not predicted", "low": "from", "high": "to"},
                    **{
                        "vendi": "different images of a class",
                        "sharpness": "sharpness",
                        "effective_area": "width of gaze",
                    },
                },
                intervals={"label_errors": ("low", "high")},
                percent=("label_errors", "low", "high"),
            ),
        ],
        figures=[
            Figure(
                "figures/selection_scores.svg",
                "What judges say of all candidates and of those that were kept: shares of images below a score. "
                "Infinite scores, of refused images, are left out.",
                "Cumulative curves of scores for all candidates and for each selection",
            ),
            Figure(
                "figures/selection_candidates.png",
                "The candidates of the first slot of the first classes, and which selections kept which. The slots "
                "were not chosen by looking at them.",
                "Rows of candidates with the names of the selections that kept them",
            ),
        ],
        notes=[
            "Judges are trained on real training images of other folds. Neither test images nor anything made of them "
            "reach a judge, a score or a choice.",
            f"A gain is named where its p stays below {ALPHA} after Holm's correction for {len(table)} comparisons.",
        ],
    )


def _helped(table: pd.DataFrame) -> list[str]:
    said = []
    for control, words in (("picked", "a random pick of the same candidates"), ("all", "all candidates")):
        own = table[table.control == control]
        if own.empty:
            continue
        if (own.verdict == Verdict.TOO_FEW).all():
            said.append(
                f"With {seeds(int(own.n_units.max()))} it cannot be said whether a criterion is better than {words}."
            )
            continue
        sure = own[(own.verdict == "better") & (own.family_p < ALPHA)]
        if sure.empty:
            said.append(f"No criterion is shown to be better than {words} ({len(own)} compared).")
        for _, row in sure.iterrows():
            bounds = f"{points(row.difference_low)} to {points(row.difference_high)}"
            said.append(f"{name(row.training_set)} gains {points(row.difference)} points ({bounds}) over {words}.")
    return said


def _wrong(chosen: pd.DataFrame) -> list[str]:
    """Selections whose labels are worse than those of their candidates, beyond both intervals."""
    by_name, said = chosen.set_index("source"), []
    for source, row in by_name.iterrows():
        if not isinstance(row.of, str) or row.of not in by_name.index:
            continue
        of = by_name.loc[row.of]
        if row.low > of.high:
            said.append(
                f"{name(source)} keeps more images whose label is not predicted than its candidates have "
                f"({row.label_errors:.0%} against {of.label_errors:.0%}): hard images and wrong labels look alike."
            )
    return said
