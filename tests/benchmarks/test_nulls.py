"""The null studies run, and the page of statistics shows what they printed."""

import re

import pytest

from tests import checkout
from tests.benchmarks import coverage, nulls

PAGE = (checkout.ROOT / "workflow/docs/statistics.md").read_text()


def shown(first_heading):
    """The rows of the page's table whose first heading is this, without it."""
    table = PAGE.split(f"| {first_heading} | ")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def chance(share, studies):
    """Points that this many studies exceed a share of, in percent, one time in a hundred or so."""
    return 2.5 * (share * (100 - share) / int(studies.replace(",", ""))) ** 0.5


def test_no_kind_of_sentence_is_said_more_often_than_it_may_be():
    rows = shown("a sentence that is false here")
    assert len(rows) >= 25
    for what, units, studies, _, now in rows:
        assert float(now) <= 5 + chance(5, studies), (what, units)


def test_intervals_hold_the_truth_between_93_and_97_times_in_100_but_for_what_the_page_says():
    rows = shown("interval of")
    outside = {
        what
        for what, _, studies, *_, ours, _ in rows
        if not 93 - chance(7, studies) <= float(ours) <= 97 + chance(3, studies)
    }
    excused = " ".join(PAGE.split("## Where this does not hold")[1].split())
    assert {what for what in outside if f'"{what}"' not in excused} == set()
    assert len(rows) == len(coverage.UNITS) * (len(coverage.WORLDS) + len(coverage.SHARES))


@pytest.mark.long
def test_the_page_s_tables_are_what_the_commands_print():
    printed = list(nulls.false_alarms(studies=3, seed=0))
    assert [row[:2] for row in printed] == [row[:2] for row in shown("a sentence that is false here")]
    assert all(re.fullmatch(r"\d+\.\d", row[4]) for row in printed)
    assert all(re.fullmatch(r"\d+\.\d|–", row[3]) for row in printed)
    assert [row[:2] for row in coverage.table(studies=5, seed=0)] == [row[:2] for row in shown("interval of")]
