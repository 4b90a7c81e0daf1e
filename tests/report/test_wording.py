"""realgap.report.wording: a number and a verdict are said one way."""

import math

import pytest

from realgap.report import wording
from realgap.statistics.verdicts import Verdict


def test_numbers_are_rounded_to_a_tenth_with_a_sign_where_it_matters():
    assert [wording.percent(value) for value in (0, 0.93449, 0.9345001, 1)] == ["0.0 %", "93.4 %", "93.5 %", "100.0 %"]
    assert [wording.points(value) for value in (0.0231, -0.0231, 0)] == ["+2.3", "\N{MINUS SIGN}2.3", "+0.0"]
    assert wording.points(-0.0001) == wording.points(0.0001) == "+0.0"
    assert wording.signed(-0.01234) == "\N{MINUS SIGN}0.0123"
    assert wording.interval(0.9, 0.95, wording.bare) == "90.0 to 95.0"


@pytest.mark.parametrize(
    ("verdict", "small", "cell"),
    [
        (Verdict.BETTER, False, "▲ better"),
        (Verdict.WORSE, True, "▼ worse, within ±2 points"),
        (Verdict.EQUIVALENT, True, "equivalent within ±2 points"),
        (Verdict.UNDECIDED, False, "undecided"),
        (Verdict.TOO_FEW, False, "too few to say"),
    ],
)
def test_a_cell_says_the_verdict_and_whether_it_is_small(verdict, small, cell):
    assert wording.mark(verdict, 0.02, small) == cell


WORDS = ("wider", "narrower")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((0.2, 0.1, 0.3, 3), "wider (+0.2, +0.1 to +0.3)"),
        ((-0.2, -0.3, -0.1, 3), "narrower (\N{MINUS SIGN}0.2, \N{MINUS SIGN}0.3 to \N{MINUS SIGN}0.1)"),
        ((0.2, -0.1, 0.5, 3), "not told apart from real (+0.2, \N{MINUS SIGN}0.1 to +0.5)"),
        ((0.2, 0.0, 0.4, 3), "not told apart from real (+0.2, +0 to +0.4)"),
        ((0.2, 0.1, 0.3, 2), "too few to say (+0.2, two seeds)"),
        ((0.2, math.nan, math.nan, 1), "too few to say (+0.2, one seed)"),
        ((math.nan, math.nan, math.nan, 3), "too few to say"),
    ],
)
def test_a_difference_is_said_as_its_interval_has_it(found, said):
    assert wording.told(*found, WORDS) == said


def test_a_difference_that_does_not_stand_out_among_others_is_not_told_apart():
    assert wording.told(0.2, 0.1, 0.3, 3, WORDS, stands_out=False).startswith("not told apart from real (")


def test_what_more_units_would_bring_is_said_in_seeds_or_in_images():
    assert wording.needed(22) == "±1: 22 seeds"
    assert wording.needed(math.inf) == "±1: more test images"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.1234, "0.123 s"), (59, "59 s"), (431, "7 min 11 s"), (148320, "41.2 h")]
)
def test_durations_are_said_in_the_unit_that_suits_them(seconds, said):
    assert wording.duration(seconds) == said
