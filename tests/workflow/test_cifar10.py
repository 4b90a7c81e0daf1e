"""resources/studies/cifar10.yaml end to end on real CIFAR-10 images, with a Stable Diffusion of tiny widths."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torchvision import datasets as torchvision_datasets

from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.data import images
from realgap.diffusion import inversion, sampling
from realgap.store import shards
from tests import checkout, given, stable_diffusion

CPU = torch.device("cpu")
RESULTS = Path("results/cifar10-tiny")

# the study's own file with a few images of two classes, few visits and steps
FEW = {
    "study": "cifar10-tiny",
    "dataset": {
        "classes": ["cat", "truck"],
        "images_per_class": 3,
        "images_per_shard": 2,
        "validation_images_per_class": 2,
        "test_images_per_class": 5,
    },
    "base_model": {"path": "resources/models/tiny", "hub": None, "revision": None},
    "inversion": {"steps_per_image": 40},
    "sources": {"stable_diffusion": {"num_inference_steps": 2}, "diffusion_inversion": {"num_inference_steps": 2}},
    "sampling": {"samples_per_image": 2, "full_size_per_class": 1},
    "classifier": {"steps": 2, "batch_size": 8},
    "seeds": [0],
    # two images of each source train no classifier of geometric cues
    "analyses": ["saliency", "fidelity", "detection", "memorisation", "errors"],
    "compute": {"precision": "fp32"},
}

pytestmark = [pytest.mark.xdist_group("cifar10"), pytest.mark.long]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """Made once: equally frequent pairs of letters become tokens in another order each time a tokenizer is trained."""
    return stable_diffusion.save(tmp_path_factory.mktemp("tiny model") / "model")


def prepared(folder, cifar10_root, tiny_model):
    """A checkout with the tiny base model, the real images, and the study file."""
    checkout.copy(folder)
    shutil.copytree(tiny_model, folder / "resources/models/tiny")
    study = yaml.safe_load((folder / "resources/studies/cifar10.yaml").read_text())
    merged = checkout._merge(study, {**FEW, "dataset": {**FEW["dataset"], "root": str(cifar10_root)}})
    (folder / "study.yaml").write_text(yaml.safe_dump(merged))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cifar10_root, tiny_model):
    folder = prepared(tmp_path_factory.mktemp("cifar10") / "checkout", cifar10_root, tiny_model)
    run = checkout.snakemake(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_a_data_set_that_was_moved_makes_nothing_again(finished, cifar10_root, tmp_path):
    (tmp_path / "elsewhere").symlink_to(cifar10_root)
    for root in (tmp_path / "elsewhere", f"{cifar10_root}/"):
        study = yaml.safe_load((finished / "study.yaml").read_text())
        study["dataset"]["root"] = str(root)
        (finished / "moved.yaml").write_text(yaml.safe_dump(study))
        plan = checkout.rules(checkout.plan(finished, "moved.yaml"))
        assert set(plan) <= {"account", "report"}, plan


def test_the_study_ends_in_its_six_rows_on_real_test_images(finished):
    table = pd.read_csv(finished / RESULTS / "table.csv").set_index("training_set")
    assert list(zip(table.index, table.n_real, table.n_generated, strict=True)) == [
        ("real", 6, 0),
        ("vae_only", 0, 6),
        ("stable_diffusion", 0, 12),
        ("diffusion_inversion", 0, 12),
        ("real+stable_diffusion", 6, 12),
        ("real+diffusion_inversion", 6, 12),
    ]
    assert (pd.read_csv(finished / RESULTS / "accuracies.csv").n_test == 10).all()
    assert (finished / RESULTS / "report.html").stat().st_size > 10_000


def test_the_real_images_are_torchvisions(finished, cifar10_root):
    theirs = torchvision_datasets.CIFAR10(cifar10_root, train=True)
    for name, label in (("cat", 3), ("truck", 9)):
        for shard in (0, 1):
            ours = shards.read(finished / RESULTS / f"real/{name}/{shard}.h5", "images")
            np.testing.assert_array_equal(ours["images"], theirs.data[ours["image_ids"]])
            assert (ours["labels"] == label).all()
    test = shards.read(finished / RESULTS / "test.h5", "images")
    assert (test["image_ids"] >= 50_000).all()


def test_embeddings_are_of_the_published_shape_and_say_how_many_visits_they_had(finished):
    shard = shards.read(finished / RESULTS / "embeddings/cat/0.h5", "embeddings")
    assert shard["embeddings"].shape == (2, 5, 16)
    assert (shard["visits"] == 40).all()
    options = shard.attributes["options"]
    assert {key: options[key] for key in ("lr", "lr_schedule", "weight_decay", "start", "num_tokens")} == {
        "lr": 0.03,
        "lr_schedule": "constant",
        "weight_decay": 0.01,
        "start": "random",
        "num_tokens": 5,
    }


def test_images_kept_at_full_size_are_those_of_the_shards_before_they_were_made_small(finished):
    for source in ("real", "vae_only", "stable_diffusion", "diffusion_inversion"):
        large = shards.read(finished / RESULTS / f"full_size/{source}/truck.h5", "images")
        folder = "real" if source == "real" else f"samples/{source}"
        small = shards.read(finished / RESULTS / f"{folder}/truck/0.h5", "images")
        assert large["images"].shape == (1, 128, 128, 3)
        assert large["image_ids"][0] == small["image_ids"][0]
        assert large.attributes["source"] == source
        if source == "real":  # made large, not small
            np.testing.assert_array_equal(large["images"], images.resize(small["images"][:1], 128))
            continue
        pixels = torch.from_numpy(large["images"]).permute(0, 3, 1, 2).float()
        reduced = autoencoder._resize(pixels, 32)[0].permute(1, 2, 0).clamp(0, 255).numpy()
        assert np.abs(reduced - small["images"][0]).mean() < 2.5, source  # of 255; rounded once more on the way


def _killed_while_inverting(folder, signum):
    """Start the study, wait until an inversion has begun, and end all its processes; what was said."""
    command = ["snakemake", "--configfile", "study.yaml", "--cores", "1"]
    said = folder / "said.log"
    with said.open("w") as file:
        silent = {"stdout": file, "stderr": file}
        run = subprocess.Popen(command, cwd=folder, env=_environment(), start_new_session=True, **silent)
    logs = folder / RESULTS / "logs/invert_shard"
    deadline = time.monotonic() + 300
    while not any("inverting" in log.read_text() for log in logs.glob("*.log")):
        assert time.monotonic() < deadline
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    os.killpg(run.pid, signum)
    run.wait()
    return said.read_text() + "".join(log.read_text() for log in logs.glob("*.log"))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_study_killed_while_inverting_goes_on_and_ends_with_equal_bytes(
    finished, tmp_path, cifar10_root, tiny_model, signum
):
    folder = prepared(tmp_path / "checkout", cifar10_root, tiny_model)
    said = _killed_while_inverting(folder, signum)
    if signum != signal.SIGKILL:
        assert "Traceback" not in said
        assert list((folder / RESULTS).rglob(".*.checkpoint*")), "no state was saved"
    embeddings = sorted(path.relative_to(finished) for path in (finished / RESULTS / "embeddings").rglob("*.h5"))
    assert len(embeddings) == 4
    assert any(not (folder / path).exists() for path in embeddings), "nothing was left to do"
    subprocess.run(["snakemake", "--unlock", "--configfile", "study.yaml"], cwd=folder, env=_environment(), check=True)
    run = checkout.snakemake(folder, target="table")
    assert run.returncode == 0, run.stdout + run.stderr
    made = [path.relative_to(folder) for path in (folder / RESULTS).rglob("*.h5")]
    assert {*embeddings, RESULTS / "samples/diffusion_inversion/cat/0.h5"} <= set(made)
    made += [RESULTS / "table.csv", RESULTS / "accuracies.csv"]
    for path in made:
        assert (folder / path).read_bytes() == (finished / path).read_bytes(), path
    assert not list((folder / RESULTS).rglob(".*.checkpoint*"))


def _environment():
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_a_model_that_is_not_there_is_one_line_that_says_how_to_get_it(tmp_path, cifar10_root, tiny_model):
    folder = prepared(tmp_path / "checkout", cifar10_root, tiny_model)
    shutil.rmtree(folder / "resources/models/tiny")
    study = yaml.safe_load((folder / "study.yaml").read_text())
    study["base_model"] |= {"hub": "CompVis/stable-diffusion-v1-4", "revision": "0" * 40}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    run = subprocess.run(
        ["snakemake", f"{RESULTS}/moments/cat/0.h5", "--configfile", "study.yaml"],
        cwd=folder,
        env={**_environment(), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    said = run.stdout + run.stderr
    assert run.returncode != 0
    (line,) = re.findall(r"^error: .*$", said, re.MULTILINE)
    assert "base_model.hub: CompVis/stable-diffusion-v1-4 could not be fetched" in line
    assert "copy the model's folder to resources/models/tiny (workflow/docs/base-models.md)" in line
    assert "Traceback" not in said
    assert not (folder / RESULTS).exists()  # before any job


# --- the families of Stable Diffusion ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["stable-diffusion-1", "stable-diffusion-2"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_every_family_and_target_is_inverted_and_sampled_through_its_own_parts(tmp_path, family, kind):
    """Latents from its VAE, an embedding with a lower loss than its start, an image of its size."""
    folder = stable_diffusion.save(tmp_path / "model", family, kind)
    vae, unet = (load(folder, CPU, torch.float32) for load in (autoencoder.load, denoiser.load))
    before = {name: weights.clone() for name, weights in unet.state_dict().items()}
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    mean, std = autoencoder.encode(vae, noise, resolution=64)
    assert mean.shape[1:] == denoiser.latent_shape(folder, vae, unet, 64) == (4, 8, 8)
    alphas_cumprod, prediction_type = schedules.noise(folder)
    assert prediction_type == kind
    ids = np.array([3, 5])
    state = inversion.begin(inversion.random_start(ids, 5, 16, 0.1, seed=0), visits=30, early_stopping=True)
    settings = {
        "prediction_type": kind,
        "scaling_factor": autoencoder.scaling_factor(folder),
        "visits": 30,
        "lr": 0.1,
        "lr_schedule": "constant",
        "weight_decay": 0.0,
        "timesteps": "uniform",
        "seed": 0,
        "batch_size": 2,
        "device": CPU,
        "early_stopping": (100, 0.0, 8),
    }
    first = None
    for current in given.invert(state, mean, std, ids, denoiser.predictor(unet), alphas_cumprod, **settings):
        first = current.best_losses.copy() if first is None else first
    assert (state.best_losses < first).all()
    torch.testing.assert_close(unet.state_dict(), before, rtol=0, atol=0)

    items = sampling.items(ids, 1)
    (drawn,) = sampling.sample(
        sampling.initial_latents(items, (4, 8, 8), seed=0),
        state.result(),
        prompting.embed(folder, [""], CPU)[0].numpy(),
        denoiser.predictor(unet),
        schedules.sampler(folder, "dpmsolver++"),
        lambda latents: autoencoder.decode(vae, latents, 32),
        num_inference_steps=3,
        guidance_scale=2.0,
        batch_size=2,
        device=CPU,
    )
    assert drawn.shape == (2, 32, 32, 3)
    assert json.loads((folder / "unet/config.json").read_text())["_class_name"] == "UNet2DConditionModel"
