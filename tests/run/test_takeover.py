"""realgap.run.takeover: a run whose machine died is found dead, one that lives is left alone."""

import getpass
import json
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from realgap.run import takeover

# what a full disk, or anybody else, leaves in place of a card
ODD = ["", "{", "[]", "null", '{"run": "realgap_2"}', "\0\0\0", '{"host": "a", "process": 7, "run": "realgap_2"}']


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A scancel and a squeue that keep their queue in a file: SLURM itself is in tests/slurm."""
    file = tmp_path / "queue"
    file.write_text("7\n8\n")
    programs = {"scancel": f"echo $@ >> {tmp_path}/cancelled; : > {file}", "squeue": f"cat {file}"}
    for name, body in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return file


def card(state, process, host=None, run="realgap_1", user=None):
    """A driver's card, and the lock that is its own."""
    path, lock = state / "realgap-drivers" / f"{run}.json", state / "locks" / f"{run}.output.lock"
    for one in (path, lock):
        one.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("a file\n")
    said = {"host": host or socket.gethostname(), "process": process, "run": run, "user": user or getpass.getuser()}
    path.write_text(json.dumps({**said, "locks": {str(lock): takeover._file(lock)}}))
    return path


def locks(state):
    return sorted(lock.name for lock in (state / "locks").iterdir())


@pytest.fixture
def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return [process.pid, 1]


def test_a_dead_drivers_jobs_are_cancelled_and_its_lock_and_card_removed(tmp_path, queue, dead_process):
    path = card(tmp_path / "state", dead_process)
    done = takeover.take_over(tmp_path / "state")
    assert "cancelled the 2 jobs" in done[0]
    assert (tmp_path / "cancelled").read_text() == "--name=realgap_1\n"
    assert not path.exists()
    assert locks(tmp_path / "state") == []
    assert takeover.take_over(tmp_path / "state") == []


def test_a_living_driver_keeps_its_jobs_and_its_lock(tmp_path, queue):
    card(tmp_path / "state", takeover.identity(os.getpid()))
    assert takeover.take_over(tmp_path / "state") == []
    assert locks(tmp_path / "state") == ["realgap_1.output.lock"]
    assert not (tmp_path / "cancelled").exists()


def test_the_lock_of_another_driver_that_lives_stays(tmp_path, queue, dead_process):
    card(tmp_path / "state", takeover.identity(os.getpid()), run="realgap_2")
    card(tmp_path / "state", dead_process)
    assert len(takeover.take_over(tmp_path / "state")) == 1
    assert locks(tmp_path / "state") == ["realgap_2.output.lock"]


def test_the_lock_of_a_run_on_this_machine_that_has_no_card_stays(tmp_path, queue, dead_process):
    """Also where it has the name that the dead run's had: somebody unlocked, and started again."""
    path = card(tmp_path / "state", dead_process)
    ours, theirs = (tmp_path / "state/locks" / name for name in ("realgap_1.output.lock", "0.input.lock"))
    ours.unlink()
    for lock in (theirs, ours):
        lock.write_text("a file of a run that lives\n")
    assert len(takeover.take_over(tmp_path / "state")) == 1
    assert not path.exists()
    assert locks(tmp_path / "state") == ["0.input.lock", "realgap_1.output.lock"]


def test_jobs_of_another_user_are_left_to_that_user(tmp_path, queue, dead_process):
    path = card(tmp_path / "state", dead_process, user="somebody")
    with pytest.raises(ValueError, match="of somebody on .* is dead and left 2 jobs in the queue; somebody must start"):
        takeover.take_over(tmp_path / "state")
    assert path.exists()
    assert locks(tmp_path / "state") == ["realgap_1.output.lock"]
    assert not (tmp_path / "cancelled").exists()
    queue.write_text("")
    assert len(takeover.take_over(tmp_path / "state")) == 1
    assert locks(tmp_path / "state") == []


def test_a_number_used_again_is_another_process(tmp_path, queue):
    pid, begun = takeover.identity(os.getpid())
    card(tmp_path / "state", [pid, begun - 1])
    assert takeover.take_over(tmp_path / "state")


def test_a_driver_elsewhere_is_dead_after_a_long_silence(tmp_path, queue):
    path = card(tmp_path / "state", [1, 1], host="login2")
    assert takeover.take_over(tmp_path / "state") == []
    long_ago = time.time() - takeover.SILENCE_S - 1
    os.utime(path, (long_ago, long_ago))
    assert len(takeover.take_over(tmp_path / "state")) == 1


def test_a_driver_that_ends_in_order_leaves_no_card(tmp_path):
    call = f"takeover.register('r', state=Path({str(tmp_path)!r}))"
    code = f"from pathlib import Path; from realgap.run import takeover; {call}"
    seen = f"{code}; assert list(Path({str(tmp_path)!r}).rglob('r.json'))"
    subprocess.run([sys.executable, "-c", seen], check=True, env={**os.environ, "PYTHONPATH": "workflow"})
    assert not list(tmp_path.rglob("*.json"))
    left = f"{code.removesuffix(')')}, keep=lambda: True)"
    subprocess.run([sys.executable, "-c", left], check=True, env={**os.environ, "PYTHONPATH": "workflow"})
    assert list(tmp_path.rglob("r.json")), "jobs that could not be cancelled are left to the next run"


@pytest.mark.parametrize("text", ODD)
def test_a_card_that_a_full_disk_left_is_named_and_passed_over(tmp_path, queue, dead_process, text):
    path = card(tmp_path / "state", dead_process)
    odd = path.with_name("odd.json")
    odd.write_text(text)
    done = takeover.take_over(tmp_path / "state")
    assert done[0] == f"{odd}: not the card of a run; passed over, delete it"
    assert "cancelled the 2 jobs" in done[1]
    assert odd.exists()
    assert locks(tmp_path / "state") == []


@pytest.mark.parametrize("text", ODD)
def test_an_odd_card_among_the_results_is_named_and_those_beside_it_count(tmp_path, queue, text):
    living = card(tmp_path, takeover.identity(os.getpid()))
    (tmp_path / ".drivers").mkdir()
    odd = tmp_path / ".drivers/0.json"
    odd.write_text(text)
    assert takeover.check_elsewhere(tmp_path) == [f"{odd}: not the card of a run; passed over, delete it"]
    said = {**json.loads(living.read_text()), "checkout": "/elsewhere"}
    (tmp_path / ".drivers/1.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match="must be written by one run at a time; the run realgap_1 of "):
        takeover.check_elsewhere(tmp_path)
    assert odd.exists()
