"""`snakemake status`, asked from beside a run, after its death and after its end."""

import signal
import subprocess
import time

import pytest
import yaml

from realgap.run import progress
from tests import checkout

pytestmark = pytest.mark.long

STUDY = {**checkout.REDUCED, "study": "followed", "analyses": []}
OUT = "results/followed"


@pytest.fixture
def folder(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def status(folder):
    run = checkout.snakemake(folder, target="status")
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    return lines[next(n for n, line in enumerate(lines) if line.startswith("followed: ")) :]


def start(folder, *more):
    command = ["snakemake", "--configfile", "study.yaml", "--cores", "1", *more, "--", "table"]
    told = (folder / "run.log").open("w")
    return subprocess.Popen(command, cwd=folder, env=checkout.environment(), stdout=told, stderr=told)


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def done(folder):
    state = progress.read(folder / OUT)
    return sum(state.done.values()) if state else 0


def test_a_run_is_told_from_beside_it_and_from_its_death_and_its_end(folder):
    assert status(folder)[0].endswith("jobs done, no run is going on")
    run = start(folder)
    wait_for(lambda: done(folder) >= 3)
    first, where, *_ = status(folder)
    assert " jobs done, about " in first
    assert f"process {run.pid}, heard of " in where
    assert run.poll() is None
    run.send_signal(signal.SIGKILL)
    run.wait()
    lines = status(folder)
    assert lines[0].endswith("jobs done, no run is going on")
    assert "to do:" in lines
    assert any(line.startswith("the last run was killed, or its machine died, at ") for line in lines)
    assert start(folder).wait() == 0, (folder / "run.log").read_text()
    assert " jobs done, about " in (folder / "run.log").read_text()
    assert any(line.startswith("the last run ended at ") for line in status(folder))


def test_a_job_that_failed_is_named_with_its_log(folder):
    broken = folder / "workflow/scripts/classifier_assemble.py"
    broken.write_text(
        broken.read_text().replace("def main() -> None:\n", 'def main() -> None:\n    raise ValueError("no")\n')
    )
    assert start(folder, "--keep-going", "--retries", "0").wait() != 0
    lines = status(folder)
    assert "failed, with their logs:" in lines
    assert f"    assemble training_set=real: {OUT}/logs/assemble/real.log" in lines
