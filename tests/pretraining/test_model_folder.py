"""realgap.pretraining.model_folder: a folder that is there whole or not at all, with a card that states facts."""

import pytest
import torch
from PIL import Image

from realgap.pretraining import fitting, model_folder
from tests import stable_diffusion


@pytest.fixture(scope="module")
def pipeline():
    return stable_diffusion.smallest(["one", "two"], 8)


def test_saving_replaces_the_whole_folder(pipeline, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "left over").touch()
    model_folder.save(pipeline, folder, "card", {"samples.png": Image.new("RGB", (4, 4))})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (folder / "left over").exists()
    assert (folder / "README.md").read_text() == "card"
    assert {path.name for path in (folder / "tokenizer").iterdir()} > {"vocab.json", "merges.txt"}
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    assert weights.stat().st_mode & 0o777 == 0o644


def test_a_failed_save_leaves_the_old_folder(pipeline, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    with pytest.raises(AttributeError):
        model_folder.save(pipeline, tmp_path / "model", "card", pictures=None)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "old").exists()


def test_a_sample_is_the_same_in_a_wider_grid(pipeline):
    narrow = model_folder.sample_grid(pipeline, ["one", "two"], columns=2, guidance_scale=2.0, seed=0)
    wide = model_folder.sample_grid(pipeline, ["one", "two"], columns=3, guidance_scale=2.0, seed=0)
    assert narrow.size == (32, 32)
    left, kept = (torch.tensor(list(image.tobytes())).float() for image in (narrow, wide.crop((0, 0, 32, 32))))
    torch.testing.assert_close(left, kept, rtol=0, atol=1)  # grey levels: sums differ with the batch


def test_the_card_states_sizes_settings_and_losses(pipeline):
    traces = {"VAE": fitting.Trace([2.0] * 50 + [1.0] * 50, seconds=7.0)}
    card = model_folder.fill_card("$parts\n$settings\n$losses\n$times on $machine", pipeline, {"lr": 0.5}, traces)
    unet = sum(p.numel() for p in pipeline.unet.parameters())
    assert f"| unet | UNet2DConditionModel | {unet:,} |" in card
    assert "| `lr` | 0.5 |" in card
    assert "| VAE | " + " | ".join(["2.0000"] * 5 + ["1.0000"] * 5) + " |" in card
    assert "VAE 7 s on " in card


def test_a_card_that_asks_for_an_unknown_fact_is_refused(pipeline):
    with pytest.raises(KeyError, match="weather"):
        model_folder.fill_card("$weather", pipeline, {}, {})
