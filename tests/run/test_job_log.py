"""realgap.run.job_log: a job's log says where, when and with which code it ran, and is read as it was written."""

import os
import subprocess
import sys
from datetime import datetime

import pytest

from realgap.run import job_log
from realgap.store import provenance

STEP = """
from realgap.run import steps

def main():
    print("half a line of progress", end="\\n")
    {body}

steps.run(main)
"""


def run(tmp_path, body="pass"):
    """A step in a process of its own, as a rule starts it; returns its log."""
    environment = {**os.environ, "PYTHONPATH": str(provenance.ROOT), "REALGAP_COMMIT": "abc", "OMP_NUM_THREADS": "3"}
    log = tmp_path / "step.log"
    with open(log, "w") as out:
        command = [sys.executable, "-c", STEP.format(body=body)]
        subprocess.run(command, stdout=out, stderr=out, env=environment)
    return log


def test_a_finished_step_says_where_when_and_with_what_it_ran(tmp_path):
    job = job_log.read(run(tmp_path, "sum(range(5_000_000))"))
    assert (job.commit, job.threads, job.device, job.energy_j) == ("abc", 3, "cpu", None)
    assert datetime.fromisoformat(job.start) <= datetime.fromisoformat(job.end)
    assert job.start.endswith("+00:00")
    assert job.cpu_s > 0
    assert job.host
    assert job.processor
    assert set(job.versions) == {"python", *job_log.PACKAGES}


def test_the_peak_of_a_job_never_falls_and_is_not_the_next_jobs(monkeypatch):
    """As Linux' own may between the log and the benchmark, by some hundred kilobytes."""
    seen = job_log.peak_memory_mb()
    monkeypatch.setattr(job_log, "_PEAKS", [seen + 1_000])
    assert job_log.peak_memory_mb() == seen + 1_000
    job_log._forget_peak()
    assert 10 < job_log.peak_memory_mb() < seen + 900


@pytest.mark.parametrize("body", ["raise ValueError('wrong')", "raise SystemExit(3)", "1 / 0"])
def test_a_failed_step_says_nothing(tmp_path, body):
    assert job_log.read(run(tmp_path, body)) is None


@pytest.mark.parametrize(
    "text",
    ["", "hello\n", job_log.MARK, job_log.MARK + '{"start": "2026', job_log.MARK + "[]", job_log.MARK + "{}", "\xff"],
)
def test_a_log_without_the_line_tells_of_no_job(tmp_path, text):
    (tmp_path / "a.log").write_bytes(text.encode("latin-1"))
    assert job_log.read(tmp_path / "a.log") is None
    assert job_log.read(tmp_path / "none.log") is None


def test_energy_is_what_the_gpu_of_the_job_counted_meanwhile(tmp_path, monkeypatch, capsys):
    """The counters stand in for a GPU's: two of them, of which the job computed on one."""
    counters = iter([{"GPU-a": 1000.0, "GPU-b": 5.0}, {"GPU-a": 1250.5, "GPU-b": 9.0}])
    monkeypatch.setattr(job_log, "_energy_j", lambda: next(counters))
    monkeypatch.setattr(job_log, "_device", lambda: ("H100", "GPU-a"))
    job_log.log(job_log.begin())
    (tmp_path / "a.log").write_text(capsys.readouterr().err)
    assert job_log.read(tmp_path / "a.log").energy_j == 250.5


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() == "unknown"
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert provenance.commit() == head
    (tmp_path / "file").write_text("two")
    assert provenance.commit() == f"{head}-dirty"
