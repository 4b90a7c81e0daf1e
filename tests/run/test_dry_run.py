"""A dry run says its plan in two screens, and each job to who asks for it."""

import logging

import pytest

from realgap.run import dry_run
from tests import checkout

SCREEN = 50  # lines


def record(text, event=None):
    made = logging.LogRecord("snakemake.logging", logging.INFO, "", 0, text, None, None)
    if event:
        made.event = f"LogEvent.{event}"
    return made


def test_what_is_said_twice_is_left_out():
    wanted = dry_run.in_short()
    assert wanted(record("Job stats: 3", "RUN_INFO"))
    assert not wanted(record("Job stats: 3", "RUN_INFO"))
    assert wanted(record("Job stats: 4", "RUN_INFO"))
    for _ in range(2):
        assert wanted(record("a line"))
        assert wanted(record(None, "PROGRESS"))


def test_it_says_how_to_see_the_jobs():
    said = record("Reasons:\n    (check individual jobs above for details)")
    assert dry_run.in_short()(said)
    assert said.getMessage() == "Reasons:\n    (snakemake -n -p lists the jobs)"


@pytest.mark.long
def test_the_plan_of_a_study_is_two_screens_long_and_with_p_has_every_job(finished_study):
    short, long = (checkout.snakemake(finished_study, "-n", "--forceall", *more) for more in ((), ("-p",)))
    assert short.returncode == long.returncode == 0, short.stderr + long.stderr
    lines = (short.stdout + short.stderr).splitlines()
    assert len(lines) <= 2 * SCREEN
    assert ["train", "12"] in [line.split() for line in lines]
    assert not any("scripts.classifier_train" in line for line in lines)
    assert (long.stdout + long.stderr).count("scripts.classifier_train") == 12
