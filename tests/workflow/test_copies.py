"""A finished study is known for what it is: neither the times of files nor the place of a copy run anything again."""

import os
import shutil
import subprocess
import time

import pytest
import yaml

from tests import checkout

pytestmark = [pytest.mark.xdist_group("study"), pytest.mark.long]

COPIES = {"cp -a": ["cp", "-a"], "cp -r": ["cp", "-r"], "rsync -a": ["rsync", "-a"], "rsync -r": ["rsync", "-r"]}
SHARD = "results/reduced/embeddings/zero/0.h5"
# which show the settings, where things are among them
SHOW = {"account", "report"}


@pytest.fixture
def clone(tmp_path):
    """A fresh clone whose every file is newer than any result."""
    folder = checkout.copy(tmp_path / "clone")
    for path in folder.rglob("*"):
        os.utime(path, (time.time() + 60,) * 2)
    yield folder
    shutil.rmtree(folder)


def copied(study, clone, how, *parts):
    for part in parts:
        if shutil.which(COPIES[how][0]) is None:
            pytest.skip(f"no {COPIES[how][0]} here")
        subprocess.run([*COPIES[how], study / part, clone], check=True)


def adopt(clone, study="study.yaml"):
    run = checkout.snakemake(clone, target="adopt", study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.parametrize("how", COPIES)
def test_results_that_were_copied_with_their_records_run_nothing(finished_study, clone, how):
    copied(finished_study, clone, how, "results", ".snakemake")
    assert not checkout.plan(clone)


@pytest.mark.parametrize("how", COPIES)
def test_results_that_were_copied_without_records_are_taken_over_and_run_nothing(finished_study, clone, how):
    copied(finished_study, clone, how, "results")
    times = {path: path.stat().st_mtime_ns for path in (clone / "results").rglob("*.*")}
    before = checkout.snakemake(clone)
    said = before.stdout + before.stderr
    assert before.returncode == 1
    assert {path: path.stat().st_mtime_ns for path in (clone / "results").rglob("*.*")} == times
    assert said.count("Snakemake has no record of how it was made") == said.count("\nerror: results/reduced/") == 1
    assert "`snakemake adopt` takes over what is whole" in said
    assert "Traceback" not in said
    taken = adopt(clone)
    assert ": not taken over" not in taken, taken
    assert not checkout.plan(clone)


def test_what_is_not_the_studys_is_never_taken_over(finished_study, clone):
    """Damaged, of other options, of other inputs, or nobody knows: older than all that was made of it."""
    copied(finished_study, clone, "cp -a", "results")
    samples = clone / "results/reduced/samples/stable_diffusion"
    damaged, strange = samples / "zero/0.h5", clone / "results/reduced/table.csv"
    for path in (damaged, strange):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        os.utime(path, (1, 1))
    (clone / "results/reduced/figures/mine.png").write_text("mine")
    said = adopt(clone)
    for path in (damaged, strange):
        assert f"{path.relative_to(clone)}: not taken over, {path.relative_to(clone)} is not what was made" in said
    assert "figures/mine.png: not taken over, nothing says how it was made" in said
    plan = checkout.plan(clone)
    assert {item for rule, item in plan if rule.endswith("_shard")} == {"stable_diffusion-zero-0"}
    assert {item for rule, item in plan if rule == "assemble"} == {"stable_diffusion", "real+stable_diffusion"}
    assert "tabulate" in checkout.rules(plan)
    other = checkout.plan(clone, checkout.changed(clone, sources={"diffusion_inversion": {"guidance_scale": 3.5}}))
    assert len([item for rule, item in other if rule == "sample_shard" and "diffusion_inversion" in item]) == 4
    assert (clone / "results/reduced/figures/mine.png").read_text() == "mine"


def test_touched_results_of_any_size_run_nothing(finished_study):
    """In an order in which whatever something is made of is newer than it."""
    results = [path for path in (finished_study / "results").rglob("*") if path.is_file()]
    # above that Snakemake, left to itself, asks for times alone
    assert max(path.stat().st_size for path in results) > 1_000_000
    kept = {path: path.stat() for path in results}
    try:
        for number, path in enumerate(sorted(results, key=lambda path: kept[path].st_mtime_ns, reverse=True)):
            os.utime(path, (time.time() + number,) * 2)
        assert not checkout.plan(finished_study)
    finally:
        for path, stat in kept.items():
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("key", ["base_model.path", "prompts.templates"])
@pytest.mark.parametrize("where", ["elsewhere", "spelled otherwise"])
def test_a_base_model_or_prompts_elsewhere_make_nothing_again(finished_study, tmp_path, key, where):
    section, name = key.split(".")
    path = yaml.safe_load((finished_study / "config.yaml").read_text())[section][name]
    there = f"./{path}" if section == "prompts" else f"{path}/"
    if where == "elsewhere":
        there = tmp_path / "elsewhere"
        (shutil.copytree if section == "base_model" else shutil.copy)(finished_study / path, there)
    plan = checkout.plan(finished_study, checkout.changed(finished_study, **{section: {name: str(there)}}))
    assert set(checkout.rules(plan)) <= SHOW


def test_another_prompt_samples_again(finished_study, tmp_path):
    """However old the file is."""
    (tmp_path / "prompts.txt").write_text("a {}\n")
    os.utime(tmp_path / "prompts.txt", (1, 1))
    study = checkout.changed(finished_study, prompts={"templates": str(tmp_path / "prompts.txt")})
    assert checkout.rules(checkout.plan(finished_study, study))["sample_shard"] == 8


def test_weights_of_features_count_by_their_content(finished_study, tmp_path):
    """A place or a time is nothing; another byte anywhere is other features."""
    told = {}
    for name, last in (("one", b"x"), ("two", b"x"), ("other", b"y")):
        weights = tmp_path / f"{name}.pth"
        weights.write_bytes(bytes(3_000_000) + last)
        study = checkout.changed(finished_study, features={"extractor": "inception", "weights": str(weights)})
        run = checkout.snakemake(finished_study, "-n", "-p", study=study, target="results/reduced/features/test.h5")
        (command,) = [line for line in run.stdout.splitlines() if "scripts.features_extract" in line]
        assert f"--network {weights} " in command
        told[name] = command.partition("--options ")[2]
    assert told["one"] == told["two"] != told["other"]


def test_a_detector_of_lines_counts_by_its_content(finished_study, tmp_path):
    told = {}
    for name, last in (("one", b"x"), ("two", b"x"), ("other", b"y")):
        detector = tmp_path / f"{name}.onnx"
        detector.write_bytes(bytes(3_000_000) + last)
        study = checkout.changed(finished_study, geometry={"detector": str(detector)})
        target = "results/reduced/geometry/real.h5"
        run = checkout.snakemake(finished_study, "-n", "-p", study=study, target=target)
        (command,) = [line for line in run.stdout.splitlines() if "scripts.geometry_measure" in line]
        assert f"--detector {detector} " in command
        told[name] = command.partition("--options ")[2]
    assert told["one"] == told["two"] != told["other"]
