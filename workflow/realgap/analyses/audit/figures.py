"""The figures of the audit: members found against accused others, and accuracy against epsilon."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import NullFormatter

from realgap.analyses.audit.measures import Attack
from realgap.privacy import membership
from realgap.report.style import line, name

_MARKS = ("real", "stable_diffusion", "diffusion_inversion")  # rows that stand beside the curve where there are such


def roc(found: Mapping[str, Attack]) -> plt.Figure:
    """A curve for each row, both axes logarithmic: an attack is judged by what it finds when it accuses few wrongly."""
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    least = 0.5 / max(len(own.non_members) for own in found.values())
    for number, (row, own) in enumerate(found.items()):
        accused, hit = membership.roc(own.members, own.non_members).T
        colour, dashes = line(row, number)
        axes.plot(np.maximum(accused, least), np.maximum(hit, least), color=colour, linestyle=dashes, label=name(row))
    axes.plot([least, 1], [least, 1], color="black", linestyle=":", linewidth=1, label="chance")
    axes.set(xscale="log", yscale="log", xlim=(least, 1), ylim=(least, 1))
    for axis in (axes.xaxis, axes.yaxis):  # matplotlib's own powers of ten are mathematical text, which is off here
        axis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("share of non-members accused", fontsize=10)
    axes.set_ylabel("share of members found", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    sns.despine(figure)
    return figure


def accuracy(verdicts: pd.DataFrame, epsilons: Mapping[str, float | None]) -> plt.Figure:
    """Accuracy of each release against its epsilon, with other rows as lines across.

    verdicts: the study's, with training_set, accuracy_mean, accuracy_low and accuracy_high as fractions. epsilons: of
    each release, None without noise.
    """
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    rows = verdicts.set_index("training_set")
    given = sorted(epsilon for epsilon in epsilons.values() if epsilon is not None)
    # a place of its own beyond the largest, on the logarithmic axis
    without = 10 ** (math.log10(given[-1]) + 0.5) if given else 10.0
    order = sorted(epsilons, key=lambda row: math.inf if epsilons[row] is None else epsilons[row])
    x = [without if epsilons[row] is None else epsilons[row] for row in order]
    own = 100 * rows.loc[order]
    axes.vlines(x, own.accuracy_low, own.accuracy_high, color="#009E73", linewidth=2)
    axes.plot(x, own.accuracy_mean, color="#009E73", marker="D", label="released")
    for number, row in enumerate(row for row in _MARKS if row in rows.index):
        colour, _ = line(row, number)
        values = 100 * rows.loc[row]
        axes.axhline(values.accuracy_mean, color=colour, linestyle="--", label=name(row))
        axes.axhspan(values.accuracy_low, values.accuracy_high, color=colour, alpha=0.08, linewidth=0)
    axes.set_xscale("log")
    labels = ["no noise" if epsilons[row] is None else f"{epsilons[row]:g}" for row in order]
    axes.set_xticks(x, labels)
    axes.minorticks_off()
    axes.set_xlabel("epsilon of the release", fontsize=10)
    axes.set_ylabel("accuracy, %\n(95 % interval over seeds and test images)", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    sns.despine(figure)
    return figure
