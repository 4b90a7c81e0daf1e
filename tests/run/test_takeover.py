"""realgap.run.takeover: a run whose machine died is found dead, one that lives is left alone."""

import json
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from realgap.run import takeover


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


def card(state, process, host=None, run="realgap_1"):
    path = state / "realgap-drivers" / f"{run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": host or socket.gethostname(), "process": process, "run": run}))
    (state / "locks").mkdir(exist_ok=True)
    (state / "locks/0.output.lock").write_text("a file\n")
    return path


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
    assert not (tmp_path / "state/locks").exists()
    assert takeover.take_over(tmp_path / "state") == []


def test_a_living_driver_keeps_its_jobs_and_its_lock(tmp_path, queue):
    card(tmp_path / "state", takeover._identity(os.getpid()))
    assert takeover.take_over(tmp_path / "state") == []
    assert (tmp_path / "state/locks").exists()
    assert not (tmp_path / "cancelled").exists()


def test_locks_stay_while_another_driver_lives(tmp_path, queue, dead_process):
    card(tmp_path / "state", takeover._identity(os.getpid()), run="realgap_2")
    card(tmp_path / "state", dead_process)
    assert len(takeover.take_over(tmp_path / "state")) == 1
    assert (tmp_path / "state/locks").exists()


def test_a_number_used_again_is_another_process(tmp_path, queue):
    pid, begun = takeover._identity(os.getpid())
    card(tmp_path / "state", [pid, begun - 1])
    assert takeover.take_over(tmp_path / "state")


def test_a_driver_elsewhere_is_dead_after_a_long_silence(tmp_path, queue):
    path = card(tmp_path / "state", [1, 1], host="login2")
    assert takeover.take_over(tmp_path / "state") == []
    long_ago = time.time() - takeover.SILENCE_S - 1
    os.utime(path, (long_ago, long_ago))
    assert len(takeover.take_over(tmp_path / "state")) == 1


def test_a_driver_that_ends_in_order_leaves_no_card(tmp_path):
    code = (
        f"from pathlib import Path; from realgap.run import takeover; takeover.register('r', Path({str(tmp_path)!r}))"
    )
    seen = f"{code}; assert list(Path({str(tmp_path)!r}).rglob('r.json'))"
    subprocess.run([sys.executable, "-c", seen], check=True, env={**os.environ, "PYTHONPATH": "workflow"})
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"run": "realgap_2"}', "\0\0\0"])
def test_a_card_that_a_full_disk_left_is_named_and_passed_over(tmp_path, queue, dead_process, text):
    path = card(tmp_path / "state", dead_process)
    odd = path.with_name("odd.json")
    odd.write_text(text)
    done = takeover.take_over(tmp_path / "state")
    assert done[0] == f"{odd}: not the card of a run; passed over, delete it"
    assert "cancelled the 2 jobs" in done[1]
    assert odd.exists()
    # it may be that of a living run
    assert (tmp_path / "state/locks").exists()
