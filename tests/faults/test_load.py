"""Promise: a study of very many small artefacts completes, and Snakemake's memory stays bounded."""

import re
import subprocess

import psutil
import pytest

from tests import stub_study

SLICES = 4  # of a class
BOUND_MB = 400  # of the driver's memory, and this much for every
PER = 1_000  # artefacts ...
EACH_MB = 150


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_a_stub_study_of_many_artefacts_completes_in_bounded_memory(tmp_path, request):
    wanted = request.config.getoption("--artefacts")
    folder, log = tmp_path / "checkout", tmp_path / "snakemake.log"
    environment = stub_study.make(folder, -(-wanted // (SLICES * stub_study.SHARDS_OF_A_SLICE)), SLICES)
    with open(log, "w") as said:
        run = subprocess.Popen(
            stub_study.command("--quiet", "all"), cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        driver, peak_mb = psutil.Process(run.pid), 0.0
        while run.poll() is None:
            try:
                peak_mb = max(peak_mb, driver.memory_info().rss / 1e6)
                run.wait(0.5)
            except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
                continue
    assert run.returncode == 0, log.read_text()[-3000:]
    made = [path for path in (folder / "results/stub").rglob("*.h5") if path.name != "test.h5"]
    assert len(made) >= wanted
    print(f"{len(made)} artefacts, the driver took {peak_mb:.0f} MB")
    assert peak_mb < BOUND_MB + EACH_MB * len(made) / PER
    again = subprocess.run(stub_study.command("-n"), cwd=folder, env=environment, capture_output=True, text=True)
    assert re.search(r"^total +0$", again.stdout, re.MULTILINE), again.stdout + again.stderr
