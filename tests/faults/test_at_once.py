"""Promise: two runs at once on one folder do not mix, and the shared cache never shows a half-written artefact."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from realgap.store import shards
from tests import checkout

pytestmark = pytest.mark.xdist_group("study")


def begin(folder, *arguments, targets, **more):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["snakemake", "--configfile", "study.yaml", *arguments, "--", *targets]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.long
def test_a_second_run_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    targets = [f"results/reduced/real/{name}/{k}.h5" for name in ("zero", "one") for k in (0, 1)]
    first = begin(folder, targets=targets)
    while not (folder / ".snakemake" / "locks").exists() or not list((folder / ".snakemake" / "locks").iterdir()):
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)  # it holds the lock for as long as the second takes to look at it
    second = checkout.snakemake(folder, target=targets[-1])
    first.send_signal(signal.SIGCONT)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    assert "Traceback" not in second.stdout + second.stderr
    said, _ = first.communicate()
    assert first.returncode == 0, said
    for target in targets:
        assert len(shards.read(folder / target, "images")) == 2


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_checkouts_that_share_a_cache_see_whole_artefacts_only(tmp_path):
    (tmp_path / "cache").mkdir()
    target = "results/reduced/embeddings/one/1.h5"
    rules = ("--cache", "encode_shard", "invert_shard")
    folders = [checkout.copy(tmp_path / name) for name in ("first", "second")]
    runs = [begin(f, *rules, targets=[target], SNAKEMAKE_OUTPUT_CACHE=str(tmp_path / "cache")) for f in folders]
    seen = set()
    while any(run.poll() is None for run in runs):
        for path in (tmp_path / "cache").glob("*.h5"):
            seen.add(path.name)
            shards.read(path, "embeddings" if kind_of(path) == "embeddings" else "moments")
        time.sleep(0.01)
    for run in runs:
        said = run.communicate()[0]
        assert run.returncode == 0, said
    assert (folders[0] / target).read_bytes() == (folders[1] / target).read_bytes()


def kind_of(path):
    import h5py

    with h5py.File(path) as file:
        return file.attrs["kind"].decode()
