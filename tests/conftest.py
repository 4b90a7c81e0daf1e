"""What several test modules share: a tiny base model with random weights, tiny shards, and steps to run on them."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

# before torch is imported, and for the steps that tests start: several threads on small tensors only wait
os.environ.setdefault("OMP_NUM_THREADS", "1")
# a run that is to outlive its terminal (nohup, or in the background) hands down that these are ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

import filelock  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from tests import checkout  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("faults")
    group.addoption("--long", action="store_true", help="run the tests marked long as well")
    group.addoption("--kills", type=int, help="how often steps are killed in all (default 32 with --long, else 8)")
    group.addoption("--artefacts", type=int, default=600, help="artefacts of the stub study (default %(default)s)")


def pytest_configure(config):
    if config.option.kills is None:
        config.option.kills = 32 if config.option.long else 8


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes long; --long runs it"))


@pytest.fixture(scope="session")
def base_model(tmp_path_factory):
    """A folder in diffusers' layout: 16 px images, latents (4, 8, 8), prompts of 8 tokens of width 8."""
    from tests import stable_diffusion

    pipeline = stable_diffusion.smallest(["one", "two"], 8)
    folder = tmp_path_factory.mktemp("base model")
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture
def images_shard(tmp_path):
    """Writes shards of random images: images_shard("a.h5", n=3, label=0, first_id=0, source="real")."""
    from realgap.store import shards

    def write(name, n=3, label=0, first_id=0, source="real", size=6):
        path = tmp_path / name
        arrays = {
            "images": np.random.default_rng(first_id).integers(0, 256, (n, size, size, 3), np.uint8),
            "labels": np.full(n, label, np.int64),
            "image_ids": np.arange(first_id, first_id + n),
            "variants": np.zeros(n, np.int32),
        }
        shards.write(path, "images", arrays, {"step": "test", "source": source})
        return path

    return write


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory):
    """A checkout in which the reduced digits study has run to its report, made once for all workers.

    Tests that change it, even for a moment, are in the group "study", which one worker runs.
    """
    return _made_once(tmp_path_factory, "finished_study", _finish_study) / "checkout"


@pytest.fixture(scope="module")
def exporting_study(finished_study):
    """The finished study for tests that export from it, which leave it as it was."""
    yield finished_study
    results = finished_study / "results/reduced"
    for left in [results / "export", *results.glob("logs/export*"), *results.glob("benchmarks/export*")]:
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def finished_results(tmp_path_factory):
    """What the finished study made (results/reduced), in a copy that no test changes."""
    return _made_once(tmp_path_factory, "finished_study", _finish_study) / "results"


def _finish_study(folder):
    run = checkout.snakemake(checkout.copy(folder / "checkout"))
    assert run.returncode == 0, run.stdout + run.stderr
    shutil.copytree(folder / "checkout/results/reduced", folder / "results")


def _made_once(tmp_path_factory, name, make):
    """The folder `name` that make(folder) fills, for all workers of this run of pytest."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = folder.with_suffix(".made")
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture
def run_step(monkeypatch):
    """Runs the step of a module in this process: run_step("scripts.inversion_invert", "--out", path)."""

    def run(module, *arguments):
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        importlib.import_module(module).main()

    return run


@pytest.fixture
def invert_arguments(tmp_path, base_model):
    """The command line that inverts 3 images in 2 batches, as a function of where to."""
    from realgap.store import shards
    from tests import given

    random = np.random.default_rng(0)
    about = {"labels": np.zeros(3, np.int64), "image_ids": np.array([4, 9, 2])}
    images = {"images": random.integers(256, size=(3, 32, 32, 3), dtype=np.uint8), **about}
    images["variants"] = np.zeros(3, np.int32)
    shards.write(tmp_path / "images.h5", "images", images, {"step": "test"})
    arrays = {
        "mean": random.standard_normal((3, 4, 8, 8), np.float32),
        "std": np.full((3, 4, 8, 8), 0.1, np.float32),
        **about,
    }
    shards.write(tmp_path / "moments.h5", "moments", arrays, {"step": "test"})
    (tmp_path / "templates.txt").write_text("a {}\n")
    options = {
        "class_name": "one",
        "num_tokens": 2,
        "start": "random",
        "start_scale": 0.1,
        "steps_per_image": 60,
        "lr": 0.03,
        "lr_schedule": "cosine",
        "weight_decay": 0.01,
        "timesteps": "stratified",
        "early_stopping_patience": None,
        "early_stopping_tolerance": 0.01,
        "max_failed_share": 0.4,
        "early_stopping_pairs": 4,
        "batch_size": 2,
        "seed": 0,
        **given.COMPUTE,
    }
    files = {
        "images": tmp_path / "images.h5",
        "moments": tmp_path / "moments.h5",
        "base-model": base_model / "model_index.json",
        "templates": tmp_path / "templates.txt",
    }
    common = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    return lambda out: [*common, "--options", json.dumps(options), "--out", str(out)]


@pytest.fixture(scope="session")
def cifar10_root(tmp_path_factory):
    """A folder that holds the real CIFAR-10 as torchvision wants it, or a skip where it is not at hand."""
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (shared / "cifar10_packed.npz").exists():
        pytest.skip("needs the real CIFAR-10 in ../shared/data")

    def unpack(folder):  # takes most of a minute
        command = [sys.executable, shared / "unpack.py", "cifar10", shared / "cifar10_packed.npz", folder]
        subprocess.run(command, check=True, capture_output=True)

    return _made_once(tmp_path_factory, "cifar10", unpack)
