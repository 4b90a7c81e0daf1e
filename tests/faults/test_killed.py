"""Promise: a step or a whole run that is killed leaves nothing half-written, and run again ends in the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import checkout

SHARE = {"invert": 0.25, "teach": 0.25, "sample": 0.2, "train": 0.2, "assemble": 0.1}  # of all kills


@pytest.mark.long
@pytest.mark.parametrize("name", SHARE)
def test_a_step_killed_at_any_moment_ends_in_the_same_bytes(steps, step_arguments, tmp_path, name, request):
    module, arguments = step_arguments[name]
    suffix = ".safetensors" if name == "train" else ".h5"
    reference, out = (tmp_path / folder / f"out{suffix}" for folder in ("unbroken", "killed"))
    begun = time.monotonic()
    code, said = steps.run("eager", module, *arguments(reference))
    lasted_s = time.monotonic() - begun
    assert code == 0, said
    whole = reference.read_bytes()

    kills = round(SHARE[name] * request.config.getoption("--kills"))
    moments, done = random.Random(name), 0
    for _ in range(20 * kills):
        client = steps.begin("eager", module, *arguments(out))
        number = moments.choice([signal.SIGKILL, signal.SIGTERM])
        done += steps.kill(client, number, moments.uniform(0, lasted_s))
        visible = [path for path in out.parent.iterdir() if path.name[0] != "."] if out.parent.exists() else []
        assert visible in ([], [out]), "something is there that is not the output"
        if visible:
            assert out.read_bytes() == whole, "half-written under its final name"
            out.unlink()
        if done == kills:
            break
    assert done == kills, f"only {done} kills of {kills} met a running step"

    code, said = steps.run("eager", module, *arguments(out))
    assert code == 0, said
    assert out.read_bytes() == whole


TOLD_WHILE_CHOOSING = """
from snakemake.scheduling.job_scheduler import JobScheduler as _Scheduler
_choose = _Scheduler.job_selector

def _told(self, jobs):
    own = self._job_selector

    def choose(*given):
        assert self._lock.locked()
        os.kill(os.getpid(), signal.SIGTERM)
        return own(*given)

    self._job_selector = choose
    return _choose(self, jobs)

_Scheduler.job_selector = _told
"""


@pytest.mark.long
def test_a_run_that_is_told_to_end_while_it_chooses_jobs_ends(tmp_path):
    """Snakemake's own handler would wait for a lock that the code it interrupts holds."""
    folder = checkout.copy(tmp_path / "checkout")
    with (folder / "Snakefile").open("a") as snakefile:
        snakefile.write(TOLD_WHILE_CHOOSING)
    command = ["snakemake", "--configfile", "study.yaml", "--cores", "1", "--", "results/reduced/test.h5"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    run = subprocess.Popen(command, cwd=folder, env=checkout.environment(), **streams)
    try:
        said, _ = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode != -signal.SIGKILL
    assert "Will exit after finishing currently running jobs" in said
    assert not list((folder / ".snakemake/locks").glob("*"))


TWO_JOBS = """
rule waits:
    output: "results/reduced/waited.txt"
    shell: "touch begun; sleep 3; touch {output}"

rule follows:
    input: rules.waits.output
    output: "results/reduced/followed.txt"
    shell: "touch {output}"
"""


@pytest.mark.long
@pytest.mark.parametrize("is_kept", [False, True], ids=["terminal", "nohup"])
def test_a_run_whose_terminal_is_closed_ends_in_order_unless_it_is_to_outlive_it(tmp_path, is_kept):
    folder = checkout.copy(tmp_path / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n") + TWO_JOBS)
    made = [folder / "results/reduced" / name for name in ("waited.txt", "followed.txt")]
    command = ["snakemake", "--configfile", "study.yaml", "--cores", "1", "--", "results/reduced/followed.txt"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "text": True}
    command = ["nohup"] * is_kept + command
    run = subprocess.Popen(command, cwd=folder, env=checkout.environment(), **streams)
    try:
        while not (folder / "begun").exists() and run.poll() is None:
            time.sleep(0.05)
        assert list((folder / ".snakemake/locks").glob("*"))
        run.send_signal(signal.SIGHUP)
        said, _ = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == (0 if is_kept else 1), said
    assert [path.exists() for path in made] == [True, is_kept]
    assert ("Will exit after finishing currently running jobs" in said) != is_kept
    assert "Traceback" not in said
    assert not list((folder / ".snakemake/locks").glob("*"))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_whole_run_killed_again_and_again_ends_in_the_same_table(tmp_path, finished_results, request):
    """Snakemake itself, alone (its steps go on) or with all its steps; the lock that SIGKILL leaves is the user's."""
    folder, moments = checkout.copy(tmp_path / "checkout"), random.Random("whole run")
    kills = max(3, request.config.getoption("--kills") // 10)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["snakemake", "--configfile", "study.yaml"]
    done = 0
    for _ in range(kills):
        run = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        time.sleep(moments.uniform(4, 25))
        done += run.poll() is None
        number, whole_group = moments.choice([(signal.SIGKILL, True), (signal.SIGKILL, False), (signal.SIGTERM, False)])
        (os.killpg if whole_group else os.kill)(run.pid, number)
        run.wait()
        for path, content in artefacts(folder).items():
            assert content == (finished_results / path).read_bytes(), f"{path} is there and not whole"
        assert checkout.snakemake(folder, "--unlock").returncode == 0
    assert done >= kills - 1
    last = checkout.snakemake(folder)
    assert last.returncode == 0, last.stdout + last.stderr
    same = artefacts(folder)
    assert len(same) > 50
    for path, content in same.items():
        assert content == (finished_results / path).read_bytes(), path


def artefacts(folder):
    """The content of every visible shard, classifier and table of the reduced study, without the tables of times."""
    results, suffixes = folder / "results/reduced", (".h5", ".safetensors", ".csv")
    found = [path for path in results.rglob("*") if path.suffix in suffixes and path.name[0] != "."]
    paths = {path: path.relative_to(results) for path in found}
    return {name: path.read_bytes() for path, name in paths.items() if name.parts[0] not in ("cost", "run")}
