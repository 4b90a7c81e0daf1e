"""The cluster profile by dry runs: these need no SLURM."""

import subprocess
import sys

import pytest
import yaml

from realgap import analyses
from tests import checkout, stub_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return checkout.copy(tmp_path_factory.mktemp("profile") / "checkout")


@pytest.fixture(scope="module")
def cifar10(folder):
    return checkout.requests(folder, "resources/studies/cifar10.yaml")


@pytest.mark.long
def test_steps_that_ask_for_a_gpu_go_to_the_gpu_partition_and_only_they(cifar10):
    assert {row[3] for row in cifar10} == {"gpu", "cpu"}
    for steps, *_, partition, gpus, _, _, _ in cifar10:
        assert (gpus != "–") == (partition == "gpu"), steps


def test_a_group_asks_for_one_gpu_and_one_jobs_memory_and_for_the_sum_of_times(cifar10):
    inversion = next(row for row in cifar10 if row[0] == "invert_shard")
    steps, jobs, entries, _, gpus, cpus, memory, minutes = inversion
    assert (jobs, entries, gpus) == (100, 50, "1")
    assert 8 <= memory <= 32
    assert 60 <= minutes <= 240


@pytest.mark.long
def test_a_thousand_shards_are_not_a_thousand_entries(folder):
    study = checkout.changed(folder, dataset={"classes": "all", "images_per_class": 100, "images_per_shard": 1})
    rows = checkout.requests(folder, study)
    by_step = {row[0]: row for row in rows}
    assert by_step["extract_shard"][1:3] == (1000, 50)
    assert by_step["sample_shard"][1:3] == (2000, 200)
    assert sum(row[1] for row in rows) > 6000
    assert sum(row[2] for row in rows) < 1000


HEAVY = {"torch", "diffusers", "transformers", "torchvision", "h5py"}


def imported(folder):
    """The packages that `snakemake --profile slurm -n` imports."""
    command = [sys.executable, "-X", "importtime", "-m", "snakemake", "--profile", "slurm", "-n", "--quiet"]
    run = subprocess.run(
        [*command, "--configfile", "study.yaml"], cwd=folder, env=checkout.environment(), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    found = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}
    assert "snakemake" in found
    return found


def test_the_login_node_imports_no_torch(folder):
    assert not imported(folder) & HEAVY


@pytest.mark.long
def test_nor_does_it_for_images_of_ones_own(tmp_path):
    folder = tmp_path / "checkout"
    stub_study.make(folder, 2, 2)
    assert not imported(folder) & (HEAVY - {"h5py"})  # they lie in an HDF5 file


def listed(folder, **changes):
    """The rules of a study."""
    command = [sys.executable, "-m", "snakemake", "--list-rules", "--configfile", checkout.changed(folder, **changes)]
    given = {"cwd": folder, "env": checkout.environment(), "capture_output": True, "text": True}
    return set(subprocess.run(command, **given).stdout.split())


@pytest.mark.long
def test_every_rule_of_the_profile_exists(folder):
    profile = yaml.safe_load((folder / "slurm/config.yaml").read_text())
    many = {"kind": "prompts", "samples_per_image": 8}
    kept = {"kind": "selection", "of": "many"}
    bare = {"kind": "dp_inversion", "epsilon": None, "clip": 1.0}
    rows = [*yaml.safe_load((folder / "config.yaml").read_text())["training_sets"], "real+kept", "bare"]
    changes = {"sources": {"many": many, "kept": kept, "bare": bare}, "training_sets": rows}
    amortised = {"inversion": {"encoder_steps": 5}, "analyses": []}
    rules = listed(folder, analyses=list(analyses.ORDER), **changes) | listed(folder, **amortised)
    assert {*profile["set-resources"], *profile["groups"]} <= rules
    assert set(profile["group-components"]) == set(profile["groups"].values())


def test_a_site_without_gpus_asks_for_none(folder):
    study = checkout.changed(folder, compute={"device": "cpu"})
    assert {row[4] for row in checkout.requests(folder, study)} == {"–"}
