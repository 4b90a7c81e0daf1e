import json
import logging
import os
import subprocess
import time
from pathlib import Path

import pytest

from realgap.run import progress, takeover


def state(**changed):
    made = progress.new("study", {"invert_shard": 4, "train": 10, "tabulate": 1})
    made.seconds = {"invert_shard": 100.0, "train": 20.0, "tabulate": 10.0}
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def job(rule, since=0.0, local=True, **wildcards):
    return progress.Job(rule, wildcards, [f"logs/{rule}.log"], since, local)


@pytest.fixture
def followed(tmp_path):
    """A follower that hears of records, the lines it has said, and a function that reports an event."""
    said = []
    (tmp_path / "benchmarks/train").mkdir(parents=True)
    follower = progress.Follower(state(), {"invert_shard": 50, "train": 10, "tabulate": 5}, tmp_path, said.append)
    logger = logging.Logger("snakemake.logging")
    logger.addHandler(follower)

    def report(event, **more):
        logger.info(None, extra={"event": f"LogEvent.{event}", **more})

    def start(number, rule):
        report("JOB_INFO", jobid=number, rule_name=rule, wildcards={"seed": str(number)}, log=["a.log"], local=True)

    return follower, said, report, start


def test_the_time_left_is_the_work_left_at_the_rate_of_the_work_done():
    # 600 s of work are done in 300 s, as on two cores; 10 remain
    now = state().begun + 300
    assert state(done={"invert_shard": 4, "train": 10}, begun=now - 300).left_s(now) == pytest.approx(5)


def test_the_work_of_running_jobs_counts_as_far_as_they_are():
    now = 1000.0
    made = state(begun=900.0, started={"1": job("invert_shard", since=950.0), "2": job("invert_shard", since=950.0)})
    assert made.left_s(now) == pytest.approx(100 * (610 - 100) / 100)


def test_a_running_job_counts_for_no_more_than_its_estimate():
    made = state(begun=0.0, started={"1": job("train", since=0.0)})
    assert made.left_s(1000.0) == pytest.approx(1000 * (610 - 20) / 20)


def test_nothing_is_promised_before_any_work_is_done_or_of_jobs_that_may_wait_in_a_queue():
    assert state().left_s(time.time()) is None
    assert state(started={"1": job("train", local=False)}).left_s(time.time() + 60) is None


def test_a_run_at_an_even_rate_is_told_its_end_from_the_start():
    seconds = {"train": 30.0}
    made = state(total={"train": 20}, seconds=seconds, begun=0.0)
    ends = []
    for done in range(1, 20):
        made.done = {"train": done}
        ends.append(done * 15 + made.left_s(done * 15))  # two side by side
    assert ends == pytest.approx([300] * 19)


def test_the_line_says_what_is_done_what_is_left_and_what_runs():
    now = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))
    made = state(begun=now - 300, done={"invert_shard": 4, "train": 8}, started={"9": job("train", now)})
    assert made.line(now) == (
        "12 of 15 jobs done, about 27 s left (until 12:00); now train (8 of 10 done)"  # 50 s of work at 560 in 300 s
    )
    assert state(done={"invert_shard": 4, "train": 10, "tabulate": 1}).line(now) == "15 of 15 jobs done"


def test_an_end_on_another_day_has_its_date():
    now = time.mktime((2026, 3, 1, 23, 59, 0, 0, 0, -1))
    assert progress._clock(now + 120, now) == "2026-03-02 00:01"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3570, "1 h"), (5400, "1 h 30 min"), (86400, "1 d"), (187200, "2 d 4 h")],
)
def test_times_are_said_as_people_say_them(seconds, said):
    assert progress.duration(seconds) == said


def test_what_is_not_measured_yet_follows_the_plan_and_how_slow_this_machine_is():
    assert progress.seconds_of({"a": 10.0, "b": 100.0}, {}) == {"a": 10.0, "b": 100.0}
    slow = progress.seconds_of({"a": 1e4, "b": 100.0}, {"a": 3e4})
    assert slow == {"a": 3e4, "b": pytest.approx(300, rel=0.02)}


def test_a_job_of_a_moment_does_not_say_that_the_machine_is_slow():
    assert progress.seconds_of({"a": 1.0, "b": 100.0}, {"a": 10.0})["b"] < 120


def test_jobs_are_followed_from_their_start_to_their_end(followed):
    follower, said, report, start = followed
    start(1, "train")
    start(2, "train")
    (follower.folder / "benchmarks/train/1.tsv").write_text("s\th:m:s\n30.0\t0:00:30\n")
    report("JOB_FINISHED", job_id=1)
    report("PROGRESS", done=1, total=15)
    assert follower.state.done == {"train": 1}
    assert set(follower.state.started) == {"2"}
    # the plan's 50 s and 5 s, on a machine that seems somewhat slower
    assert follower.state.seconds == pytest.approx({"invert_shard": 50 * 90 / 70, "train": 30, "tabulate": 5 * 90 / 70})
    assert [line.partition(",")[0] for line in said] == ["1 of 15 jobs done"]


def test_a_failed_job_is_named_with_its_log_until_it_is_tried_again(followed):
    follower, _, report, start = followed
    start(1, "train")
    report("JOB_ERROR", jobid=1)
    assert progress.of_living(follower.state)[2:] == ["failed, with their logs:", "    train seed=1: a.log"]
    start(1, "train")
    assert not follower.state.failed
    report("GROUP_ERROR", job_error_info=[{"jobid": 1}])
    assert set(follower.state.failed) == {"1"}


def test_lines_are_not_said_one_after_another(followed):
    _, said, report, _ = followed
    for done in range(5):
        report("PROGRESS", done=done, total=15)
    assert len(said) == 1


def test_another_process_reads_what_was_written(followed):
    follower, _, _, start = followed
    start(1, "train")
    follower.write()
    assert progress.read(follower.folder) == follower.state
    assert takeover.lives(follower.out, vars(follower.state))


@pytest.mark.parametrize("content", ["", "[]", '{"study": "a"}', '{"started": {}, "failed": {"1": {}}}'])
def test_an_odd_file_is_as_none(tmp_path, content):
    (tmp_path / progress.NAME).write_text(content)
    assert progress.read(tmp_path) is None


def test_a_full_disk_does_not_stop_a_run(followed):
    follower, _, _, start = followed
    follower.out = follower.folder / "benchmarks"  # a folder: it cannot be written
    start(1, "train")
    assert set(follower.state.started) == {"1"}


def test_the_end_of_a_process_is_told_from_its_death(tmp_path):
    script = (
        "import logging, os, pathlib, sys\n"
        "from realgap.run import progress\n"
        "state, folder = progress.new('study', {'train': 1}), pathlib.Path(sys.argv[1])\n"
        "follower = progress.Follower(state, {'train': 1}, folder, print)\n"
        "follower.follow(logging.Logger('a'))\n"
        "if sys.argv[2] == 'die': os._exit(1)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(progress.__file__).parents[2])}
    for how, said in (("end", "the last run ended at "), ("die", "the last run was killed, or its machine died, at ")):
        folder = tmp_path / how
        folder.mkdir()
        subprocess.run(["python", "-c", script, str(folder), how], env=environment)
        found = progress.read(folder)
        assert not takeover.lives(folder / progress.NAME, json.loads((folder / progress.NAME).read_text()))
        assert progress.of_ended(found)[0].startswith(said)


def test_the_queue_is_summed_up_with_its_reasons():
    lines = ["RUNNING|None", "PENDING|Priority", "PENDING|Resources", "PENDING|Priority", ""]
    assert progress.queued(lines) == "1 run, 3 wait (Priority 2, Resources 1)"
    assert progress.queued([]) == "0 run, 0 wait"


def test_a_study_at_rest_says_what_is_left_of_it():
    assert progress.of_files("study", {"train": (10, 0), "plot": (1, 0)}) == [
        "study: 11 of 11 jobs done, no run is going on"
    ]
    assert progress.of_files("study", {"train": (10, 4), "plot": (1, 1)}) == [
        "study: 6 of 11 jobs done, no run is going on",
        "to do:",
        "    train: 4 of 10",
        "    plot: 1 of 1",
    ]
