"""Which of several sources each class takes, by rounds on validation images; here what a plan must know."""

import math


def judged(n_options: int, number: int) -> int:
    """Options of a class that are judged in a round, the first of which is number 1."""
    return math.ceil(n_options / 2 ** (number - 1))


def most_rounds(n_options: int) -> int:
    """After so many rounds no two options are left to judge."""
    return math.ceil(math.log2(n_options))
