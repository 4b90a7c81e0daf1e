"""Promise: a full disk, a limit on a file's size, a used-up quota or a read-only disk corrupts nothing and is named."""

import errno
import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from realgap.classifier import storage
from realgap.store import checkpoints, files, shards
from tests import checkout


def a_shard(n=400):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8)
    ids = np.arange(n)
    return {"images": pixels, "labels": ids, "image_ids": ids, "variants": np.zeros(n, np.int32)}


@dataclass
class State:
    values: np.ndarray


def save_checkpoint(path):
    checkpoint = checkpoints.Checkpoint(path.with_name("a.h5"), {"step": "test"})
    checkpoint.path = path
    checkpoint.save(State(np.zeros(50_000)))


WRITERS = {
    "shard.h5": lambda path: shards.write(path, "images", a_shard(), {"step": "test"}),
    "weights.safetensors": lambda path: storage.save(path, {"w": torch.zeros(100_000)}, {"options": {}}),
    "checkpoint.safetensors": save_checkpoint,
    "table.csv": lambda path: files.write(path, b"1,2,3\n" * 60_000),
}
NEEDS_MB = r"it takes 0\.[34]\d\d MB, \d+\.\d{3} MB are free there; make room and run snakemake again"


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_with_the_need_and_leaves_nothing_behind(disk, name):
    disk.remount("size=128k")
    with pytest.raises(OSError, match=f"{name}: could not be written: No space left on device; {NEEDS_MB}") as caught:
        WRITERS[name](disk.path / name)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(disk.path) == []
    disk.remount("size=4m")
    WRITERS[name](disk.path / name)
    assert os.listdir(disk.path) == [name]


@pytest.mark.parametrize("free_kb", range(4, 420, 32))
def test_wherever_the_disk_ends_no_shard_is_there_or_a_whole_one(disk, free_kb):
    """HDF5 itself ends without an error when it is closed on a full disk."""
    disk.remount(f"size={free_kb}k")
    try:
        WRITERS["shard.h5"](disk.path / "a.h5")
    except OSError:
        assert os.listdir(disk.path) == []
    else:
        assert len(shards.read(disk.path / "a.h5", "images")) == 400


def test_an_old_file_stays_when_there_is_no_room_for_the_new_one(disk):
    files.write(disk.path / "a.txt", b"old")
    disk.remount("size=16k")
    with pytest.raises(OSError, match=r"a\.txt: could not be written: No space left on device"):
        files.write(disk.path / "a.txt", bytes(100_000))
    assert (disk.path / "a.txt").read_bytes() == b"old"
    assert os.listdir(disk.path) == ["a.txt"]


def test_a_read_only_disk_is_named(disk):
    files.write(disk.path / "a.txt", b"old")
    disk.remount("ro")
    with pytest.raises(OSError, match=r"b\.txt: could not be written: Read-only file system$"):
        files.write(disk.path / "b.txt", b"new")
    with pytest.raises(OSError, match=r"new/b\.txt: could not be written: Read-only file system$"):
        files.write(disk.path / "new" / "b.txt", b"new")


REGISTER = """
import sys
from pathlib import Path
from realgap.run import takeover
try:
    takeover.register("r", keep=lambda: True, state=Path(sys.argv[1]), results=Path(sys.argv[2]))
except OSError as error:
    sys.exit(error.strerror)
"""


@pytest.mark.parametrize("full", ["state", "results"])
def test_the_cards_of_a_driver_are_there_whole_or_not_at_all(disk, tmp_path, full):
    places = {"state": tmp_path / "state", "results": tmp_path / "results", full: disk.path}
    command = [sys.executable, "-c", REGISTER, places["state"], places["results"]]
    environment = {**os.environ, "PYTHONPATH": "workflow"}
    disk.remount("size=8k")
    (disk.path / "filling").write_bytes(bytes(8192))
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert re.search(r"r\.json: could not be written: No space left on device; it takes 0\.00", run.stderr)
    assert len(run.stderr.splitlines()) == 1
    assert not [path for place in places.values() for path in place.rglob("*json*")]
    disk.remount("size=4m")
    subprocess.run(command, env=environment, check=True)
    (one, other) = (path for place in places.values() for path in place.rglob("*json*"))
    assert json.loads(one.read_text()) == json.loads(other.read_text())


def test_a_limit_on_a_files_size_is_named_with_the_need(tmp_path, steps):
    options = '{"classes": {"one": 1}, "dataset": "digits", "image_size": 64, "seed": 0, "split": "train", '
    options += '"start": 0, "stop": 20, "test_images_per_class": null, "validation_images_per_class": 0}'
    command = ["scripts.data_extract", "--options", options, "--out", tmp_path / "out" / "0.h5"]
    # not through the server of warm steps, which has limits of its own
    plain = {name: value for name, value in steps.environment.items() if name != "REALGAP_WARM"}
    limit = {"env": plain, "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))}
    code, said = steps.run(*command, **limit)
    assert code == 1
    line = rf"error: {tmp_path}/out/0\.h5: could not be written: File too large; it takes 0\.24\d MB, .* free there"
    assert re.match(line, said), said
    assert len(said.splitlines()) == 1
    assert os.listdir(tmp_path / "out") == []
    assert steps.run(*command, env=plain) == (0, "")


def stamps(results):
    """When each finished artefact was written."""
    paths = [path for path in results.rglob("*") if path.suffix in (".h5", ".safetensors") and path.name[0] != "."]
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_study_on_a_full_disk_goes_on_when_there_is_room_without_repeating_a_shard(disk, tmp_path, finished_results):
    folder = checkout.copy(tmp_path / "checkout")
    (folder / "results").symlink_to(disk.path)
    made = {}
    for room in ("400k", "6m"):  # full among the first shards, then among the classifiers of 1.1 MB each
        disk.remount(f"size={room}")
        run = checkout.snakemake(folder)
        assert run.returncode == 1
        # the log of a step may find no room itself
        assert re.search(r"No space left on device|the log is empty; [\d,.]+ MB are free", run.stdout + run.stderr)
        assert checkout.snakemake(folder, "--unlock").returncode == 0
        before, made = made, stamps(disk.path)
        assert len(made) > len(before), "the disk was full before the first shard"
        assert {path: made[path] for path in before} == before, "a finished shard was made again"
    disk.remount("size=2g")
    last = checkout.snakemake(folder)
    assert last.returncode == 0, last.stdout + last.stderr
    after = stamps(disk.path)
    assert {path: after[path] for path in made} == made, "a finished shard was made again"
    assert (disk.path / "reduced/table.csv").read_bytes() == (finished_results / "table.csv").read_bytes()
