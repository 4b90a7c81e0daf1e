"""Promise: a study of very many small artefacts completes, and Snakemake stays bounded."""

import re
import subprocess

import psutil
import pytest

from tests import stub_study

SLICES = 4  # of a class
BOUND_MB = 400  # of the driver's memory, and this much for every
PER = 1_000  # artefacts ...
EACH_MB = 150
CORES = 2
THREADS = 20  # of the driver: a few for each job that runs, however many have ended


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_a_stub_study_of_many_artefacts_completes_in_bounded_memory(tmp_path, request):
    wanted = request.config.getoption("--artefacts")
    folder = tmp_path / "checkout"
    environment = stub_study.make(folder, -(-wanted // (SLICES * stub_study.SHARDS_OF_A_SLICE)), SLICES)
    peak = peaks(folder, environment)
    made = [path for path in (folder / "results/stub").rglob("*.h5") if path.name != "test.h5"]
    assert len(made) >= wanted
    print(f"{len(made)} artefacts, the driver took {peak['mb']:.0f} MB and {peak['threads']} threads")
    assert peak["mb"] < BOUND_MB + EACH_MB * len(made) / PER
    assert peak["threads"] < THREADS
    again = subprocess.run(stub_study.command("-n"), cwd=folder, env=environment, capture_output=True, text=True)
    assert re.search(r"^total +0$", again.stdout, re.MULTILINE), again.stdout + again.stderr


@pytest.mark.long
def test_finished_jobs_leave_no_thread_behind_in_the_driver(tmp_path):
    folder = tmp_path / "checkout"
    environment = stub_study.make(folder, 2, SLICES)
    assert peaks(folder, environment)["threads"] < THREADS


def peaks(folder, environment):
    """The most memory in MB and the most threads that the driver of a whole run had."""
    log = folder.parent / "snakemake.log"
    command = stub_study.command("--quiet", "all", "--cores", str(CORES))
    with open(log, "w") as said:
        run = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        driver, peak = psutil.Process(run.pid), {"mb": 0.0, "threads": 0}
        while run.poll() is None:
            try:
                peak["mb"] = max(peak["mb"], driver.memory_info().rss / 1e6)
                peak["threads"] = max(peak["threads"], driver.num_threads())
                run.wait(0.2)
            except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
                continue
    assert run.returncode == 0, log.read_text()[-3000:]
    return peak
