"""Nothing that is made of test images is among what images, embeddings, scores and classifiers are made of."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import checkout

ROOT = checkout.ROOT
STUDIES = sorted((ROOT / "resources/studies").glob("*.yaml"))
# rules whose outputs are images, embeddings, scores or the table's classifiers: test images must not reach them.
# (Those of some analyses train and test in one step.)
MAKES = {"extract_shard", "encode_shard", "invert_shard", "invert_class", "sample_shard", "reconstruct_shard"}
MAKES |= {"teach_encoder", "predict_shard"}
MAKES |= {
    "import_shard",
    "render_shard",
    "draw_scenes_shard",
    "train_judge",
    "score_shard",
    "select_shard",
    "judge_policy",
    "follow_shard",
    "assemble",
    "sample_draw",
    "release_source",
    "sample_release_shard",
    "train",
}
# judges, scores and every criterion that digits allow
SELECTION = {
    "study": "chosen",
    "sources": {
        "many": {"kind": "inversion", "num_inference_steps": 2, "embedding_noise": 0.4, "samples_per_image": 2},
        "kept": {
            "kind": "selection",
            "of": "many",
            "candidates": 2,
            "criteria": {"utility": 1, "attention": 1, "coverage": 1, "typicality": 1},
            "samples_per_image": 1,
        },
        "other": {"kind": "prompts", "num_inference_steps": 2, "samples_per_image": 2},
        "by_class": {"kind": "policy", "among": ["many", "other"], "samples_per_image": 2},
    },
    "dataset": {"validation_images_per_class": 2},
    "training_sets": ["real", "real+kept", "real+many", "real+by_class"],
    "analyses": ["learning_curves"],
}


def reached(folder: Path, study: str) -> tuple[set[str], set[str]]:
    """The rules of a study's graph, and those that are reached from the rule that makes test.h5."""
    command = ["snakemake", "--rulegraph", "--configfile", study, "--", "all"]
    run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)', run.stdout, re.MULTILINE))
    edges = re.findall(r"^\s*(\d+) -> (\d+)", run.stdout, re.MULTILINE)
    found, before = {number for number, name in names.items() if name == "extract_test"}, set()
    assert found
    while found != before:
        before = set(found)
        found |= {after for first, after in edges if first in before}
    return set(names.values()), {names[number] for number in found}


@pytest.mark.long
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_no_shipped_study_makes_images_or_classifiers_of_what_is_made_of_test_images(path):
    rules, after_test = reached(ROOT, str(path))
    assert {"extract_shard", "train"} <= rules
    assert not after_test & MAKES


# an encoder, and images that start from what it predicts
AMORTISED = {
    "study": "amortised",
    "inversion": {"encoder_steps": 3},
    "training_sets": ["real", "diffusion_inversion"],
    "analyses": [],
}


@pytest.fixture
def copy(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    (folder / "chosen.yaml").write_text(yaml.safe_dump(SELECTION))
    (folder / "amortised.yaml").write_text(yaml.safe_dump(AMORTISED))
    return folder


def test_nor_does_a_study_that_selects(copy):
    rules, after_test = reached(copy, "chosen.yaml")
    assert {
        "train_judge",
        "score_shard",
        "select_shard",
        "judge_draw",
        "select_draw",
        "judge_policy",
        "follow_shard",
    } <= rules
    assert not after_test & MAKES


def test_nor_does_a_study_that_amortises_its_inversion(copy):
    rules, after_test = reached(copy, "amortised.yaml")
    assert {"teach_encoder", "predict_shard"} <= rules
    assert not after_test & MAKES


@pytest.mark.long
def test_a_score_that_looks_at_test_images_would_be_found(copy):
    path = copy / "workflow/rules/selection.smk"
    text = path.read_text()
    shown = "        images=candidates_of,\n"
    assert shown in text
    path.write_text(text.replace(shown, shown + '        test=f"{OUT}/test.h5",\n'))
    assert {"score_shard", "select_shard", "assemble", "train"} <= reached(copy, "chosen.yaml")[1]


@pytest.mark.long
def test_a_policy_that_looks_at_test_images_would_be_found(copy):
    path = copy / "workflow/rules/policy.smk"
    text = path.read_text()
    assert 'validation=f"{OUT}/validation.h5"' in text
    path.write_text(text.replace('validation=f"{OUT}/validation.h5"', 'validation=f"{OUT}/test.h5"'))
    assert {"judge_policy", "follow_shard", "assemble", "train"} <= reached(copy, "chosen.yaml")[1]
