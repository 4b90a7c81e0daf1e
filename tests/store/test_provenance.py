"""realgap.store.provenance: what goes into the rules' params, so that each runs again when its step's code changes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from realgap.code import version
from realgap.store import provenance

STEPS = sorted(f"scripts.{path.stem}" for path in (provenance.ROOT / "scripts").glob("[!_]*.py"))


def test_a_digest_is_the_same_in_every_process():
    command = "from realgap.store import provenance; print(provenance.code('scripts.inversion_invert'))"
    seen = set()
    for seed in ("0", "1", "2"):
        environment = {"PYTHONPATH": str(provenance.ROOT), "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
        )
        seen.add(run.stdout.strip())
    assert seen == {provenance.code("scripts.inversion_invert")}


def test_what_a_digest_is_made_of_is_known():
    digest = provenance.code("scripts.inversion_encode")
    definitions = provenance.definitions(digest)
    assert "realgap.base_model.autoencoder.encode" in definitions
    assert version.digest(definitions) == digest


def test_steps_reach_only_what_they_need():
    def modules(step):
        return {name.split("[")[0].rpartition(".")[0] for name in provenance.definitions(provenance.code(step))}

    assert "realgap.diffusion.inversion" in modules("scripts.inversion_invert")
    assert "realgap.classifier.training" not in modules("scripts.inversion_invert")
    assert "realgap.diffusion.inversion" not in modules("scripts.sampling_sample")
    assert "realgap.base_model.denoiser" not in modules("scripts.classifier_train")
    assert "realgap.diffusion.sampling" not in modules("scripts.data_extract")
    assert "realgap.rendering.renderer" in modules("scripts.data_extract_rendered")
    assert not any("geometry" in module for module in modules("scripts.data_extract"))


def test_versions_are_those_installed():
    assert provenance.versions("torch", "numpy") == {"numpy": np.__version__, "torch": torch.__version__.split("+")[0]}


def test_every_step_is_named_by_a_rule():
    written = [*Path(provenance.ROOT).rglob("*.smk"), Path(provenance.ROOT, "pretraining", "Snakefile")]
    rules = "".join(path.read_text() for path in written)
    # one of three extracts real images: the rules as they are with each of them
    each = set(re.findall(r'"(scripts\.\w+)"', "".join(re.findall(r"^EXTRACT = .*$", rules, re.MULTILINE))))
    assert len(each) == 3
    rules = "".join(rules.replace("{params.step}", step).replace("(EXTRACT,", f'("{step}",') for step in each)
    for step in STEPS:
        assert f"python -m {step} " in rules
        # a download is what its checksum or revision says, whichever code fetched it
        assert re.search(rf'provenance\.code\(\s*"{step}"[,)]', rules) or step in (
            "scripts.data_fetch",
            "scripts.classifier_fetch",
            "scripts.base_model_fetch",
            "scripts.base_model_convert",
        )
