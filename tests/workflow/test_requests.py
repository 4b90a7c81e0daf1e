"""What every rule asks for: more with each attempt, and what an administrator would accept."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from realgap import analyses
from tests import checkout

STUDIES = checkout.ROOT / "resources/studies"
# the base model's rules read its weights beside Python, torch and CUDA
LEAST_ON_GPU_MB = 4000

# as a researcher writes it who knows the model, the images and the steps
OF_512_PX = {
    "study": "birds",
    "dataset": {"name": "imagenette", "root": "resources/imagenette", "classes": "all", "images_per_class": 500},
    "base_model": {
        "path": "resources/models/stable-diffusion-v1-5",
        "hub": "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "revision": "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        "resolution": 512,
    },
    "inversion": {"start": "random", "steps_per_image": 3000},
    "sampling": {"samples_per_image": 5, "full_size_per_class": 20},
    "classifier": {"steps": 10000, "batch_size": 128},
    "plan": {"device": "a100"},
}
OF_512_PX["dataset"]["image_size"] = 128

WALK = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.iocontainers import InputFiles, Wildcards
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

sys.argv = ["snakemake"]
settings = ResourceSettings(nodes=1, cores=1)
with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api:
    of_config = ConfigSettings(configfiles=[Path(STUDY)])
    workflow = api.workflow(resource_settings=settings, config_settings=of_config).dag().workflow_api._workflow
    names = workflow.globals
    sources, training_sets = names["SOURCES"], names["config"]["training_sets"]
    usual = {"class_name": names["CLASSES"][0], "shard": "0", "seed": "0", "training_set": training_sets[-1]}
    usual |= {"image_set": "real", "measured": "real", "multiple": "1", "pretrained": "scratch"}
    usual |= {"per_class": "10", "draw": "0", "fold": "0", "row": "real", "run": "0", "round": "1"}
    told = {}
    for rule in workflow.rules:
        if rule.norun or rule.name in workflow._localrules:
            continue
        made = [name for name, one in sources.items() if one.rule == rule.name.replace("_full_size", "_shard")]
        wildcards = Wildcards(fromdict={**usual, "source": (made or list(sources))[0]})
        told[rule.name] = [dict(rule.expand_resources(wildcards, InputFiles(), attempt).items()) for attempt in (1, 2)]
print("\\n" + json.dumps(told, default=str))
"""


def asked(folder, study):
    """Rule -> what it asks for at its first and at its second attempt, on a cluster."""
    code = WALK.replace("STUDY", repr(study))
    environment = {**os.environ, "PYTHONPATH": str(checkout.ROOT / "workflow")}
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return checkout.copy(tmp_path_factory.mktemp("requests") / "checkout")


def study_with_every_rule(folder, rendered):
    if rendered:
        return "resources/studies/rooms.yaml"
    given = yaml.safe_load((STUDIES / "cifar10.yaml").read_text()) | {"analyses": list(analyses.ORDER)}
    many = {"kind": "prompts", "samples_per_image": 4}
    given["sources"] |= {"many": many, "kept": {"kind": "selection", "of": "many", "samples_per_image": 1}}
    few = {"kind": "prompts", "samples_per_image": 1}
    given["sources"] |= {"few": few, "fewer": few}
    given["sources"]["by_class"] = {"kind": "policy", "among": ["few", "fewer"], "samples_per_image": 1}
    given["dataset"] = {**given["dataset"], "images_per_class": 4990, "validation_images_per_class": 10}
    given["sources"]["bare"] = {"kind": "dp_inversion", "epsilon": None, "clip": 1.0}
    given["inversion"] = {**given.get("inversion", {}), "start": "prompt", "early_stopping_patience": None}
    usual = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())["training_sets"]
    given["training_sets"] = [*given.get("training_sets", usual), "real+kept", "real+by_class", "bare"]
    Path(folder / "all.yaml").write_text(yaml.safe_dump(given))
    return "all.yaml"


def study_with_an_encoder(folder):
    given = yaml.safe_load((STUDIES / "cifar10.yaml").read_text()) | {"analyses": []}
    given["inversion"] = {**given.get("inversion", {}), "encoder_steps": 28}
    Path(folder / "encoder.yaml").write_text(yaml.safe_dump(given))
    return "encoder.yaml"


@pytest.mark.long
@pytest.mark.parametrize("which", ["all", "rendered", "encoder"])
def test_every_rule_asks_for_more_when_it_is_tried_again(folder, which):
    study = study_with_an_encoder(folder) if which == "encoder" else study_with_every_rule(folder, which == "rendered")
    told = asked(folder, study)
    assert len(told) > 20
    for rule, (first, second) in told.items():
        for of in ("mem_mb", "runtime"):
            assert second[of] > 1.5 * first[of], (rule, of)
        assert first["mem_mb"] >= 2500, rule
        if first.get("gpu"):
            assert first["mem_mb"] > LEAST_ON_GPU_MB, rule


@pytest.mark.long
def test_the_walk_sees_every_rule_that_the_profile_sends_to_a_gpu(folder):
    told = asked(folder, study_with_every_rule(folder, False)) | asked(folder, study_with_an_encoder(folder))
    profile = yaml.safe_load((folder / "slurm/config.yaml").read_text())
    assert {rule for rule, (first, _) in told.items() if first.get("gpu")} == set(profile["set-resources"])


def acceptable(rows):
    for steps, _, _, _, gpus, cpus, memory_gb, minutes in rows:
        assert minutes <= 24 * 60, steps
        assert memory_gb <= 64, steps
        assert (gpus in ("–", "1"), cpus <= 4) == (True, True), steps
    assert sum(row[2] for row in rows) < 400, "entries in the queue"


@pytest.mark.long
def test_a_study_of_512_px_is_planned_as_an_administrator_would_accept(folder):
    (folder / "birds.yaml").write_text(yaml.safe_dump(OF_512_PX))
    rows = checkout.requests(folder, "birds.yaml")
    acceptable(rows)
    inversion = next(row for row in rows if row[0] == "invert_shard")
    assert inversion[1] == 100  # shards of 50 images
    assert 60 <= inversion[-1] <= 8 * 60


@pytest.mark.long
@pytest.mark.parametrize("name", ["cifar10", "cifar10-5k", "paper", "imagenette"])
def test_so_are_the_studies_of_stable_diffusion_that_are_shipped(folder, name):
    acceptable(checkout.requests(folder, f"resources/studies/{name}.yaml"))
