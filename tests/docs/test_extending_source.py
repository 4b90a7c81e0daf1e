"""The example of a source in workflow/docs/extend.md: a kind is added in three files, and a study has two of it."""

import re
import shutil

import numpy as np
import pytest
import yaml

from realgap.store import shards
from tests import checkout

SECTION = (checkout.ROOT / "workflow/docs/extend.md").read_text().split("\n## A source\n")[1].split("\n## ")[0]
ONE = "results/digits-blurred/samples/{}/three/0.h5"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.M | re.S)


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A checkout with the three files of the example and its study."""
    folder = checkout.copy(tmp_path_factory.mktemp("extended") / "checkout")
    kind, step, rule = blocks("python")
    kinds = folder / "workflow/realgap/study/sources.py"
    # behind the table of kinds, before anything reads it
    declared, rest = kinds.read_text().split("\n# what images of the names", 1)
    kinds.write_text(f"{declared}\n{kind}\n# what images of the names{rest}")
    (folder / "workflow/scripts/sampling_blur.py").write_text(step)
    with open(folder / "workflow/rules/sampling.smk", "a") as rules:
        rules.write(f"\n\n{rule}")
    (study,) = blocks("yaml")
    (folder / "blurred.yaml").write_text(study)
    yield folder
    shutil.rmtree(folder)


def test_a_study_holds_two_sources_of_the_new_kind_with_settings_of_their_own(extended):
    targets = [ONE.format(name) for name in ("soft", "softer")]
    run = checkout.snakemake(extended, "--cores", "1", *targets, target=targets[0], study="blurred.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    real = shards.read(extended / "results/digits-blurred/real/three/0.h5", "images")
    soft, softer = (shards.read(extended / target, "images") for target in targets)
    contrast = [float(one["images"].std()) for one in (real, soft, softer)]
    assert contrast == sorted(contrast, reverse=True)
    for made in (soft, softer):
        np.testing.assert_array_equal(made["image_ids"], real["image_ids"])
    assert softer.attributes["options"]["blur_px"] == 1.0  # the kind's default


def test_its_settings_are_checked_like_all_others(extended):
    study = yaml.safe_load((extended / "blurred.yaml").read_text())
    study["sources"]["soft"]["blur_px"] = 0
    (extended / "wrong.yaml").write_text(yaml.safe_dump(study))
    run = checkout.snakemake(extended, "-n", study="wrong.yaml")
    assert run.returncode == 1
    assert "sources.soft.blur_px: must be more than 0; got 0" in run.stdout + run.stderr
