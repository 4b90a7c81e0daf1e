"""The audit in tables and sentences: what is claimed of each source, and what attacks found."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from realgap.analyses.audit import TITLE, measures
from realgap.privacy import card, membership
from realgap.report.sections import COMPARED_WITH_REAL, Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import UNTOLD, interval, mark, percent, points
from realgap.statistics import holm

_RATES = dict(zip(measures.FALSE_POSITIVES, ("1", "01"), strict=True))  # rate -> the end of its columns' names


def attacks(found: Mapping[str, Mapping[str, measures.Attack]], runs: int) -> pd.DataFrame:
    """A row per attacked row and attack: the share of members found at each false positive rate, with its interval.

    Empty where there are too few non-members to resolve a rate. p: of chance, at the lowest rate that can be resolved,
    by Holm's correction over the rows of an attack.
    """
    rows = []
    for training_set, of_attack in found.items():
        for attack, own in of_attack.items():
            row = {"training_set": training_set, "attack": attack, "runs": runs}
            row |= {"n_members": len(own.members), "n_non_members": len(own.non_members), "p": np.nan}
            for rate, ending in _RATES.items():
                known = len(own.non_members) >= membership.fewest(rate)
                values = (np.nan,) * 3
                if known:
                    at = membership.found_at(*own, rate)
                    values, row["p"] = at[:3], membership.p_of_chance(at)
                row |= dict(zip((f"found_{ending}", f"low_{ending}", f"high_{ending}"), values, strict=True))
            rows.append(row)
    frame = pd.DataFrame(rows)
    frame["p"] = frame.groupby("attack").p.transform(lambda own: holm(own.to_numpy()) if own.notna().all() else own)
    return frame


def planted(paths: Sequence[str | Path]) -> pd.DataFrame:
    """What planted rows prove, a row per release, from a file each; a source called infinity stays one."""
    return pd.concat([pd.read_csv(path, dtype={"source": str}) for path in paths], ignore_index=True)


def claims(planted: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """A row per release: its accuracy as the study judges it, what it claims, and what planted rows prove."""
    kept = ["accuracy_mean", "accuracy_low", "accuracy_high", "difference_to_real", "difference_low", "difference_high"]
    judged = verdicts.set_index("training_set")[[*kept, "verdict", "within_margin"]]
    return planted.reset_index(drop=True).join(judged, on="source")


def section(attacked: pd.DataFrame, claimed: pd.DataFrame, margin: float) -> Section:
    """The report's section: a sentence on what may be claimed of each row, and what the audit says of that."""
    strongest = attacked[attacked.attack == "LiRA"].set_index("training_set")
    released = claimed.set_index("source")
    sentences = []
    for row, found in strongest.iterrows():
        sentences.append(f"{name(row)}: {_claimed(row, released)} {_found(found)}")
    sentences += [_accuracy(row, margin) for row in claimed.itertuples()]
    return Section(
        name="audit",
        title=TITLE,
        sentences=sentences,
        tables=[
            Table(
                "audit/claims.csv",
                "What is claimed of each release, and the epsilon that planted rows prove: at least so much is given "
                "away, with 95 % confidence. Accuracy is that of a classifier trained on samples of the release alone.",
                {
                    "source": "release",
                    "epsilon": "claimed epsilon",
                    "proven_epsilon": "proven epsilon",
                    "accuracy_mean": "accuracy",
                    **{"accuracy_low": "95 % interval from", "accuracy_high": "to"},
                    "difference_to_real": "difference to real",
                    **{key: COMPARED_WITH_REAL[key] for key in ("difference_low", "difference_high", "verdict")},
                },
            ),
            Table(
                "audit/attacks.csv",
                "Members found when 1 % and 0.1 % of the non-members are accused, with exact 95 % intervals at that "
                "threshold. Empty: too few non-members to resolve the rate. p: of chance, over all rows of an attack.",
                {
                    "training_set": "training set",
                    "attack": "attack",
                    **{"found_1": "found at 1 %", "low_1": "from", "high_1": "to"},
                    **{"found_01": "found at 0.1 %", "low_01": "from", "high_01": "to"},
                    "p": "p of chance",
                    "n_members": "members",
                    "n_non_members": "non-members",
                },
                intervals={"found_1": ("low_1", "high_1"), "found_01": ("low_01", "high_01")},
                percent=("found_1", "found_01"),
            ),
        ],
        figures=[
            Figure(
                "figures/audit_accuracy.svg",
                "What a guarantee costs: accuracy of classifiers trained on samples of a release, against its epsilon. "
                "Bars and bands: 95 % intervals over seeds and test images.",
                "Accuracy against epsilon; the table above holds the numbers",
            ),
            Figure(
                "figures/audit.svg",
                "Members found against non-members accused, by LiRA. A curve along the dotted line finds nothing.",
                "Curves of true against false positive rates, both axes logarithmic; the table has two points of each",
            ),
        ],
        notes=[
            f"Attacks learn from {int(attacked.runs.iloc[0]) - 1} other runs of the whole pipeline, from embeddings to "
            "the classifier, on random halves of the real images. They attack the first run. Test images are RMIA's "
            "population. An audit bounds from below: one that finds nothing proves nothing.",
            "Halves have half the images of the study, so what is found is of releases of half as many images.",
            "Planted rows are ten times as long as the clip, and each is put in by a coin. An attacker who knows all "
            "other images guesses a quarter of them to be in and a quarter to be out (Steinke et al. 2023, arXiv "
            "2305.08846). The proven epsilon is of adding or removing one image.",
            "What is on this page was measured on real images. It has no guarantee and must not leave with a release.",
        ],
    )


def _claimed(row: str, released: pd.DataFrame) -> str:
    if row not in released.index or not np.isfinite(released.epsilon.get(row, np.nan)):
        return "no guarantee."
    own = released.loc[row]
    claim = (
        f"with epsilon {own.epsilon:g}, the chance of anything that is learned from a release differs by a factor of "
        f"at most {math.exp(own.epsilon):.3g} from what it would be {card.WHO[own.neighbours]}, but for {own.delta:g}."
    )
    if own.proven_epsilon > own.epsilon:
        return f"{claim} THIS CLAIM IS REFUTED: planted rows prove an epsilon of at least {own.proven_epsilon:.2g}."
    return f"{claim} Planted rows prove an epsilon of at least {own.proven_epsilon:.2g}, which agrees."


def _found(own: pd.Series) -> str:
    """What LiRA found, at the lowest rate that can be resolved."""
    rate, ending = (0.1, "01") if np.isfinite(own.found_01) else (1, "1")
    if not np.isfinite(own[f"found_{ending}"]):
        return f"{int(own.n_non_members)} non-members are too few to say what an attack finds at 1 % false alarms."
    shown = interval(own[f"low_{ending}"], own[f"high_{ending}"], percent)
    told = "more than chance" if own.p <= 0.05 else f"{UNTOLD} chance"
    return f"LiRA finds {percent(own[f'found_{ending}'])} of the members ({shown}) at {rate:g} % false alarms: {told}."


def _accuracy(row, margin: float) -> str:
    at = "without noise" if not np.isfinite(row.epsilon) else f"at epsilon {row.epsilon:g}"
    return (
        f"{name(row.source)}, {at}: {percent(row.accuracy_mean)} accuracy, {points(row.difference_to_real)} points "
        f"({interval(row.difference_low, row.difference_high, points)}) against real: "
        f"{mark(row.verdict, margin, row.within_margin)}."
    )
