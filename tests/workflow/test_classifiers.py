"""A pretrained ResNet, a ConvNeXt and a ViT in one table: from files of weights to the page."""

import functools
import hashlib
import http.server
import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torchvision import models

from realgap.classifier import storage, training
from realgap.report import sections
from realgap.store import shards
from tests import checkout

RESULTS = Path("results/several")
ROWS = ["real", "vae_only", "real@convnext", "vae_only@convnext", "real@vit", "vae_only@vit"]
FILES = {"resnet18": "resnet18", "convnext": "convnext_tiny", "vit": "vit_b_32"}
STUDY = {
    **checkout.REDUCED,
    "study": "several",
    "training_sets": ["real", "vae_only"],
    "dataset": {**checkout.REDUCED["dataset"], "test_images_per_class": 20},
    "classifier": {
        **checkout.REDUCED["classifier"],
        **{"architecture": "resnet18", "weights": "resnet18.pth", "input_size": 64, "backbone_lr": 0.001},
    },
    "recipes": {
        "convnext": {"architecture": "convnext_tiny", "weights": "convnext.safetensors", "backbone_lr": 0},
        "vit": {"architecture": "vit_b_32", "weights": "vit.pth", "backbone_lr": 0, "input_size": None},
    },
    "classifiers": ["convnext", "vit"],
    "saliency": {**checkout.REDUCED["saliency"], "layer": "auto"},
    "transfer": {"frozen_stages": [0, 5], "fractions": [1.0], "steps": 2},
    "analyses": ["saliency", "fidelity", "errors", "memorisation", "transfer"],
}

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("classifiers")]


def put_weights(folder, seed=0):
    """Weights of real architectures, random ones, in the layout that torchvision publishes."""
    torch.manual_seed(seed)
    for name, architecture in FILES.items():
        state = models.get_model(architecture, weights=None).state_dict()
        if name == "convnext":
            from safetensors.torch import save_file

            save_file(state, folder / "convnext.safetensors")
        else:
            torch.save(state, folder / f"{name}.pth")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("classifiers") / "checkout")
    put_weights(folder)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    run = checkout.snakemake(folder)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    return folder


def test_each_row_is_compared_with_the_real_images_of_its_classifier(finished):
    verdicts = pd.read_csv(finished / RESULTS / "verdicts.csv").set_index("training_set")
    assert list(verdicts.index) == ROWS
    for row in ROWS:
        real = "real" + row.removeprefix("real").removeprefix("vae_only")
        difference = verdicts.accuracy_mean[row] - verdicts.accuracy_mean[real]
        assert np.isnan(verdicts.difference_to_real[row]) == (row == real)
        assert row == real or verdicts.difference_to_real[row] == pytest.approx(difference, abs=2e-6)
    page = (finished / RESULTS / "report.html").read_text(encoding="utf-8")
    for said in ("resnet18, weights resnet18.pth", "convnext (convnext_tiny, ", "vit (vit_b_32, weights vit.pth)"):
        assert f"Accuracy of each training set of {said}" in page
    assert "They are compared with real (vit)." in page


def test_all_but_the_head_is_the_files_where_it_is_frozen_and_learns_where_it_is_not(finished):
    for row, file, learns in (("real@vit", "vit.pth", False), ("real", "resnet18.pth", True)):
        state, made = storage.load(finished / RESULTS / f"classifiers/{row}/seed-0.safetensors")
        weights = torch.load(finished / file, weights_only=True)
        assert made["options"]["expects"]["size"] == 64 if row == "real" else 224
        changed = [
            key
            for key, value in weights.items()
            if not key.startswith(("fc.", "heads.")) and not torch.equal(state[f"network.{key}"], value)
        ]
        assert bool(changed) == learns


def test_maps_are_of_each_networks_own_layer(finished):
    found = {
        row: shards.read(finished / RESULTS / f"saliency/{row}/seed-0.h5", "saliency")
        for row in ("real", "real@convnext", "real@vit")
    }
    layers = [one.attributes["layer"] for one in found.values()]
    assert layers == ["layer3", "features.5", "encoder.layers.encoder_layer_11.ln_1"]
    assert [one["true_maps"].shape[1:] for one in found.values()] == [(4, 4), (4, 4), (7, 7)]
    section = sections.load(finished / RESULTS / "sections/saliency.json")
    assert section.notes[0].startswith(f"Grad-CAM at {', '.join(layers)}:")


def test_an_exported_vit_takes_pixels_as_they_are(finished):
    target = str(RESULTS / "export/classifiers/real@vit/seed-0.pt2")
    run = checkout.snakemake(finished, target=target)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    program = torch.export.load(finished / target).module()
    network, _ = storage.classifier(finished / RESULTS / "classifiers/real@vit/seed-0.safetensors")
    images = torch.randint(256, (3, 16, 16, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(program(images), network(training.to_pixel_values(images)), rtol=1e-4, atol=1e-4)


def test_a_finished_study_has_nothing_to_do_and_other_weights_train_their_own_rows_again(finished):
    assert not checkout.plan(finished)
    whole = checkout.snakemake(finished, target="verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    content = (finished / "vit.pth").read_bytes()
    state = torch.load(finished / "vit.pth", weights_only=True)
    torch.save({key: value + 1 for key, value in state.items()}, finished / "vit.pth")
    try:
        trained = [item for rule, item in checkout.plan(finished) if rule == "train"]
    finally:
        (finished / "vit.pth").write_bytes(content)
    assert sorted(trained) == ["real@vit-0", "real@vit-1", "vae_only@vit-0", "vae_only@vit-1"]


# --- weights by name --------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """A server of this machine with weights of a ResNet-18, and an environment in which torchvision names it."""
    torch.manual_seed(0)
    folder = tmp_path / "server"
    folder.mkdir()
    torch.save(models.resnet18().state_dict(), folder / "made.pth")
    sha256 = hashlib.sha256((folder / "made.pth").read_bytes()).hexdigest()[:8]
    (folder / "made.pth").rename(folder / f"resnet18-{sha256}.pth")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/resnet18-{sha256}.pth"
        (tmp_path / "at_start").mkdir()
        (tmp_path / "at_start/sitecustomize.py").write_text(
            f"from torchvision import models\nmodels.ResNet18_Weights.DEFAULT.value.url = {url!r}\n"
        )
        yield sha256, {**checkout.environment(), "PYTHONPATH": str(tmp_path / "at_start")}
        server.shutdown()


def test_weights_by_name_are_fetched_before_the_first_training_and_only_once(served, tmp_path):
    sha256, environment = served
    folder = checkout.copy(tmp_path / "checkout")
    study = {**checkout.REDUCED, "training_sets": ["real", "vae_only"], "analyses": []}
    begun = {"architecture": "resnet18", "weights": "DEFAULT", "input_size": 32}
    study["classifier"] = {**study["classifier"], **begun}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    target = "results/reduced/classifiers/real/seed-0.safetensors"

    def snakemake(*arguments):
        command = ["snakemake", "--configfile", "study.yaml", *arguments, "--", target]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    planned = snakemake("-n")
    file = f"resources/weights/resnet18-{sha256}.pth"
    assert f"before that: fetch_weights, no {file}" in planned.stdout, planned.stdout + planned.stderr
    run = snakemake()
    assert run.returncode == 0, run.stdout + run.stderr
    assert os.listdir(folder / "resources/weights") == [f"resnet18-{sha256}.pth"]
    assert storage.load(folder / target)[1]["options"]["weights"] == sha256
    again = snakemake()
    assert "Nothing to be done" in again.stdout + again.stderr
    other = torch.load(folder / file, weights_only=True)
    torch.save({key: value * 2 for key, value in other.items()}, folder / file)
    swapped = snakemake("-n")
    assert "rule train:" in swapped.stdout or "\ntrain " in swapped.stdout, swapped.stdout + swapped.stderr
