"""Promise: a study of very many small artefacts completes, and Snakemake's memory stays bounded."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from tests import checkout

# in place of python: notes the files that a rule wants, and makes them
STUB = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
        --out|--accuracies|--table) mkdir -p "$(dirname "$2")"; echo x >"$2" ;;
        --accuracy|--samples|--overview) mkdir -p "$(dirname "$2")"; echo x >"$2"; echo x >"$3" ;;
        --shards) case $2 in @*) wc -l <"${2#@}" ;; esac ;;
    esac
    shift
done
"""
SHARDS = 4  # of a class
ARTEFACTS_OF_A_CLASS = 6 * SHARDS  # real, moments, embeddings, vae_only and two sources of samples
BOUND_MB = 400  # of the driver's memory, and this much for every
PER = 1_000  # artefacts ...
EACH_MB = 150


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_a_stub_study_of_many_artefacts_completes_in_bounded_memory(tmp_path, request):
    wanted = request.config.getoption("--artefacts")
    classes = -(-wanted // ARTEFACTS_OF_A_CLASS)
    folder = checkout.copy(tmp_path / "checkout")
    (tmp_path / "data").mkdir()
    study = {
        **checkout.REDUCED,
        "study": "stub",
        "dataset": {
            **{
                "name": "image_folder",
                "root": str(tmp_path / "data"),
                "images_per_class": 2 * SHARDS,
                "images_per_shard": 2,
            },
            "classes": [f"a_class_of_images_{n:04d}" for n in range(classes)],
        },
        "seeds": [0],
        # what the stub can make: shards, training sets, classifiers, predictions and the table of one file each
        "analyses": [],
        "geometry": {"images_per_class": 0},
        "scaling": {"enabled": False},
        "transfer": {"enabled": False},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(STUB)
    (tmp_path / "bin" / "python").chmod(0o755)
    # steps find the stub and no warm server, so that what is measured is Snakemake
    path = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    (folder / "workflow" / "warm.py").write_text("def start():\n    pass\n")
    log = tmp_path / "snakemake.log"
    with open(log, "w") as said:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            "study.yaml",
            "--scheduler",
            "greedy",
            "--until",
            "tabulate",
            "--quiet",
            "all",
        ]
        run = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PATH": path}, stdout=said, stderr=subprocess.STDOUT
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
    again = subprocess.run(
        [*command[:-2], "-n"], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert re.search(r"^total +0$", again.stdout, re.MULTILINE), again.stdout + again.stderr
