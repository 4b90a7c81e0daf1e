"""Successive halving, a class by itself: in each round half of its options stay (Jamieson and Talwalkar 2016).

In a round so many classifiers are trained as options are left of a class. In the j-th one each class takes its j-th
best option. So an option is judged beside what the other classes are likely to take, and the cost does not grow with
the number of classes.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from realgap.policy import judged

COLUMNS = ["label", "class_name", "option", "n_classifiers", "loss", "rank"]


def begin(labels: Sequence[int], names: Sequence[str], options: Sequence[str]) -> pd.DataFrame:
    """What is known before the first round: COLUMNS, a row per class and option, ranked as they are named."""
    rows = [
        (label, name, option, 0, np.nan, rank)
        for label, name in zip(labels, names, strict=True)
        for rank, option in enumerate(options)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def mixtures(known: pd.DataFrame, number: int) -> list[dict[int, str]]:
    """What each classifier of a round is trained on: label -> option."""
    n_options = known.option.nunique()
    return [
        known[known["rank"] == place].set_index("label").option.to_dict() for place in range(judged(n_options, number))
    ]


def after(known: pd.DataFrame, tried: Sequence[dict[int, str]], losses: np.ndarray) -> pd.DataFrame:
    """What is known after a round: the mean loss of each option over all classifiers that judged it, ranked anew.

    tried: `mixtures` of that round. losses: (mixtures, classifiers, classes) mean loss on the validation images of a
    class, classes in the order of their labels. Options that were not judged in the round lose their rank; ties go to
    the one that is named first.
    """
    table, labels = known.copy(), sorted(known.label.unique())
    table["rank"] = np.nan
    for mixture, of_mixture in zip(tried, losses, strict=True):
        for label, own in zip(labels, of_mixture.T, strict=True):
            row = table.index[(table.label == label) & (table.option == mixture[label])][0]
            before, more = table.at[row, "n_classifiers"], len(own)
            earlier = before * table.at[row, "loss"] if before else 0.0
            table.at[row, "loss"] = (earlier + own.sum()) / (before + more)
            table.at[row, "n_classifiers"] = before + more
            table.at[row, "rank"] = 0
    ranked = table["rank"].notna()
    table.loc[ranked, "rank"] = table[ranked].groupby("label").loss.rank(method="first") - 1
    return table


def chosen(known: pd.DataFrame) -> dict[int, str]:
    """label -> the option that its class takes."""
    return known[known["rank"] == 0].set_index("label").option.to_dict()
