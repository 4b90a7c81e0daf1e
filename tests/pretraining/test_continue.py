"""scripts.pretraining_continue: from photographs to a model and a state that another machine goes on from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from realgap.pretraining import fitting, handover
from realgap.store import shards
from scripts import pretraining_continue
from tests.data.test_screening import photographs

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "resources" / "pretraining" / "mini-sd-natural-next.yaml"
SMALL = {
    **{"max_tokens": 12, "text_width": 8, "text_layers": 1, "latent_channels": 6, "vae_channels": [8, 8, 8]},
    **{
        "vae_images_seen": 8,
        "vae_batch_size": 8,
        "unet_channels": [8, 8],
        "unet_images_seen": 64,
        "unet_batch_size": 8,
    },
    **{"favoured": ["frog"], "prompts": ["a photo of a frog"], "precision": "fp32"},
}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def brought(tmp_path):
    """What a call is given: photographs of two folders, their screening, captions and settings."""
    names = {"photographs": "p.h5", "screened": "s.csv", "settings": "settings.yaml", "card": "card.md"}
    files = {name: tmp_path / path for name, path in names.items()}
    images, ids = photographs(12, seed=4, size=32), np.arange(12)
    made = {"step": "collect", "source": "real", "classes": ["n1", "n2"], "options": {}}
    arrays = {"images": images, "labels": ids % 2, "image_ids": ids, "variants": np.zeros(12, np.int32)}
    shards.write(files["photographs"], "images", arrays, made)
    table = {"image_id": ids, "unseen_id": ids, "similarity": 0.5, "exact": False, "duplicate": ids == 3}
    pd.DataFrame(table).to_csv(files["screened"], index=False)
    (tmp_path / "captions.tsv").write_text("folder\tname\tkind\nn1\tbullfrog\tfrog\nn2\ttabby cat\tcat\n")
    files["card"].write_text("$seen seen of $photographs photographs. $screening $losses $settings $parts")
    settings(files, tmp_path, **SMALL)
    return files


def settings(files, folder, **changes):
    shipped = yaml.safe_load(SHIPPED.read_text())
    files["settings"].write_text(yaml.safe_dump({**shipped, "captions": str(folder / "captions.tsv"), **changes}))


@pytest.fixture
def call(brought, run_step):
    def call(folder, seconds=None, **files):
        given = {**brought, "out": folder / "model", "state": folder / "state", **files}
        paused = () if seconds is None else ("--seconds", str(seconds))
        run_step(
            "scripts.pretraining_continue", *(str(x) for name, it in given.items() for x in (f"--{name}", it)), *paused
        )
        weights = folder / "model" / "unet" / "diffusion_pytorch_model.safetensors"
        return load_file(weights) if weights.exists() else None

    return call


@pytest.mark.long
def test_two_machines_go_on_from_one_state_to_one_model_and_stop_at_the_visits(call, tmp_path):
    begun = call(tmp_path / "here", seconds=0)
    assert handover.done(tmp_path / "here" / "state" / "unet") == 1
    assert (tmp_path / "here" / "model" / "README.md").read_text().startswith("8 seen of 11 photographs.")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    ends = [call(tmp_path / name) for name in ("here", "there")]
    torch.testing.assert_close(*ends, rtol=0, atol=0)
    assert any((ends[0][name] != weight).any() for name, weight in begun.items())
    assert handover.done(tmp_path / "here" / "state" / "unet") == 8
    assert not list((tmp_path / "here").glob(".*"))

    folder = tmp_path / "here" / "model"
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, dtype=torch.float32)
    assert pipeline("a photo of a frog", num_inference_steps=2, output_type="np").images.shape == (1, 32, 32, 3)
    assert {"samples.png", "losses.png", "reconstructions.png"} < {path.name for path in folder.iterdir()}


@pytest.mark.long
def test_a_vae_whose_time_is_up_goes_on_from_its_state(call, brought, tmp_path):
    settings(brought, tmp_path, **{**SMALL, "vae_images_seen": 48})
    assert call(tmp_path / "here", seconds=0) is None
    assert not (tmp_path / "here" / "model").exists()
    assert handover.done(tmp_path / "here" / "state" / "vae") == 1
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    vaes = []
    for name in ("here", "there"):
        call(tmp_path / name)
        vaes.append(load_file(tmp_path / name / "model" / "vae" / "diffusion_pytorch_model.safetensors"))
    torch.testing.assert_close(*vaes, rtol=0, atol=0)
    assert not (tmp_path / "here" / "state" / "vae").exists()


def test_the_vae_stays_as_it_was_when_training_goes_on(call, tmp_path):
    vae = tmp_path / "here" / "model" / "vae" / "diffusion_pytorch_model.safetensors"
    call(tmp_path / "here", seconds=0)
    before = vae.read_bytes()
    call(tmp_path / "here")
    assert vae.read_bytes() == before


def test_another_model_s_vae_is_taken_as_it_is(call, brought, tmp_path):
    call(tmp_path / "here", seconds=0)
    settings(brought, tmp_path, **{**SMALL, "vae": str(tmp_path / "here" / "model"), "unet_channels": [16]})
    call(tmp_path / "larger", seconds=0)
    taken, own = (
        load_file(tmp_path / name / "model/vae/diffusion_pytorch_model.safetensors") for name in ("larger", "here")
    )
    torch.testing.assert_close(taken, own, rtol=0, atol=0)
    assert not list((tmp_path / "larger").glob(".*"))


@pytest.mark.long
def test_a_killed_call_goes_on_from_its_checkpoint(call, tmp_path, monkeypatch):
    call(tmp_path / "here", seconds=0)
    shutil.copytree(tmp_path / "here", tmp_path / "killed")
    unbroken, stream = call(tmp_path / "here"), fitting.stream

    def interrupted(seed, purpose, *item):
        if purpose == "train_denoiser" and item == (5,):
            raise KeyboardInterrupt
        return stream(seed, purpose, *item)

    monkeypatch.setattr(fitting, "stream", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call(tmp_path / "killed")
    monkeypatch.setattr(fitting, "stream", stream)
    torch.testing.assert_close(call(tmp_path / "killed"), unbroken, rtol=0, atol=0)


def test_other_settings_are_one_line_and_nothing_is_written(call, brought, tmp_path):
    call(tmp_path / "here", seconds=0)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "here").rglob("*")}
    settings(brought, tmp_path, **{**SMALL, "unet_lr": 0.5})
    with pytest.raises(ValueError, match=r"state\.json: must be of a run with the same settings"):
        call(tmp_path / "here")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "here").rglob("*")} == before


def test_every_setting_that_is_fixed_is_one_and_what_is_drawn_is_not():
    o = pretraining_continue.read(SHIPPED)
    assert o.fixed("unet") != replace(o, unet_lr=1.0).fixed("unet")
    assert o.fixed("vae") != replace(o, vae_lr=1.0).fixed("vae")
    assert o.fixed("vae") == replace(o, unet_lr=1.0, latent_power=1.0, vae_images_seen=1).fixed("vae")
    assert o.fixed("unet") == replace(o, favour=1.0, captions="moved.tsv", unet_images_seen=1).fixed("unet")


def test_a_setting_too_many_or_too_few_is_one_line(tmp_path):
    (tmp_path / "s.yaml").write_text("seed: 0\nsped: 1\n")
    with pytest.raises(ValueError, match=r"s\.yaml: must hold exactly the settings.*sped"):
        pretraining_continue.read(tmp_path / "s.yaml")


@pytest.fixture
def shipped():
    """The folders of the shipped state that there are: of the VAE until it is trained, of the rest from then on."""
    found = [path.parent for path in SHIPPED.with_suffix("").glob(f"*/{handover.INDEX}")]
    assert len(found) == 1
    return found[0]


def test_the_shipped_state_is_whole_and_of_the_shipped_settings(shipped, tmp_path):
    handover.read(shipped, tmp_path / "back.pt", pretraining_continue.read(SHIPPED).fixed(shipped.name))
    assert fitting.Checkpoint(tmp_path / "back.pt", "").done() == handover.done(shipped) > 0


def test_the_shipped_state_and_its_model_fit_the_repository(shipped):
    named = json.loads((shipped / handover.INDEX).read_text())["pieces"]
    sizes = {path.name: path.stat().st_size for path in shipped.iterdir() if path.name != handover.INDEX}
    assert set(sizes) == set(named)
    assert max(sizes.values()) < 16 * 2**20
    model = ROOT / "resources" / "mini-sd-natural-next"
    assert sum(path.stat().st_size for folder in (shipped, model) for path in folder.rglob("*")) < 40e6
