"""realgap.pretraining.fitting and the model folder it made, resources/mini-sd-digits."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from sklearn.datasets import load_digits
from transformers import CLIPTextModel, CLIPTokenizer

from realgap.pretraining import fitting, typeset
from scripts import pretraining_digits
from tests import stable_diffusion

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "resources" / "mini-sd-digits"


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are in the same order only on the same number of threads; and tiny models are fastest on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def printed():
    images, labels = typeset.render(40, 16, seed=0)
    return images, typeset.captions(labels, seed=0)


@pytest.fixture
def tiny(printed):
    return stable_diffusion.smallest(printed[1], 12)


def checkpoint(folder, name="part"):
    return fitting.Checkpoint(folder / f"{name}.pt", settings="these")


def train_vae(vae, images, at, visits=48, falling=1.0):
    settings = {"batch_size": 8, "lr": 1e-2, "kl_weight": 1e-4, "ema_decay": 0.5, "seed": 0, "falling": falling}
    return fitting.train_vae(vae, images, visits=visits, checkpoint=at, **settings)


def train_denoiser(pipeline, printed, at):
    settings = {"visits": 48, "batch_size": 8, "lr": 1e-2, "ema_decay": 0.5, "seed": 0}
    return fitting.train_denoiser(pipeline, *printed, checkpoint=at, **settings)


def weights(*modules):
    return {f"{i}.{name}": w.clone() for i, m in enumerate(modules) for name, w in m.state_dict().items()}


def test_training_lowers_both_losses(tiny, printed, tmp_path):
    vae = train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "vae"))
    denoiser = train_denoiser(tiny, printed, checkpoint(tmp_path, "unet"))
    for trace in (vae, denoiser):
        assert len(trace.losses) == 6
        assert trace.losses[-1] < trace.losses[0]
        assert trace.seconds > 0


def test_latents_times_the_scaling_factor_have_unit_spread(tiny, printed, tmp_path):
    train_vae(tiny.vae, printed[0], checkpoint(tmp_path))
    mean, std = fitting.encode(tiny.vae, printed[0])
    sampled = mean + std * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    assert (sampled * tiny.vae.config.scaling_factor).std().item() == pytest.approx(1, abs=0.05)


def test_a_killed_run_resumed_equals_an_unbroken_one_bit_for_bit(tiny, printed, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 2)
    initial = weights(tiny.vae, tiny.unet, tiny.text_encoder)
    train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "vae"))
    train_denoiser(tiny, printed, checkpoint(tmp_path, "unet"))
    unbroken = weights(tiny.vae, tiny.unet, tiny.text_encoder)

    for i, module in enumerate((tiny.vae, tiny.unet, tiny.text_encoder)):
        module.load_state_dict({name: initial[f"{i}.{name}"] for name in module.state_dict()})
    killed_at(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "vae 2"))
    monkeypatch.undo()
    train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "vae 2"))
    killed_at(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        train_denoiser(tiny, printed, checkpoint(tmp_path, "unet 2"))
    monkeypatch.undo()
    train_denoiser(tiny, printed, checkpoint(tmp_path, "unet 2"))
    torch.testing.assert_close(weights(tiny.vae, tiny.unet, tiny.text_encoder), unbroken, rtol=0, atol=0)


def killed_at(monkeypatch, step):
    """Interrupt the training while it draws the random numbers of a step; checkpoints every second step."""
    stream = fitting.stream

    def interrupted(seed, purpose, *item):
        if item == (step,):
            raise KeyboardInterrupt
        return stream(seed, purpose, *item)

    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(fitting, "stream", interrupted)


def test_a_checkpoint_of_other_settings_is_refused(tiny, printed, tmp_path):
    at = checkpoint(tmp_path)
    train_vae(tiny.vae, printed[0], at)
    with pytest.raises(ValueError, match=r"part\.pt: must be of a run with the same settings"):
        train_vae(tiny.vae, printed[0], replace(at, settings="others"))


def test_while_the_rate_is_held_the_number_of_visits_may_still_change(tiny, printed, tmp_path, monkeypatch):
    """Killed at step 4 of 10, gone on to 6: the same weights as 6 from the beginning, bit for bit."""
    initial = weights(tiny.vae)
    train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "short"), visits=48, falling=0.2)
    unbroken = weights(tiny.vae)
    tiny.vae.load_state_dict({name.removeprefix("0."): weight for name, weight in initial.items()})
    killed_at(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "changed"), visits=80, falling=0.2)
    monkeypatch.undo()
    train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "changed"), visits=48, falling=0.2)
    torch.testing.assert_close(weights(tiny.vae), unbroken, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"changed\.pt: must go on to 6 steps, to which its rate is falling; got 10"):
        train_vae(tiny.vae, printed[0], checkpoint(tmp_path, "changed"), visits=80, falling=0.2)


def test_the_rate_is_held_and_then_falls_to_zero_by_half_a_cosine():
    whole = [fitting._rate(step, 1000, 1.0) for step in range(1000)]
    late = [fitting._rate(step, 1000, 0.25) for step in range(1000)]
    assert late[:100] == [(step + 1) / 100 for step in range(100)]
    assert late[100:751] == [1.0] * 651
    np.testing.assert_allclose(late[750:], [(1 + np.cos(np.pi * i / 250)) / 2 for i in range(250)], atol=1e-12)
    np.testing.assert_allclose(whole[100:], [(1 + np.cos(np.pi * i / 1000)) / 2 for i in range(100, 1000)], atol=1e-12)


@pytest.mark.long
def test_the_step_makes_a_folder_that_stable_diffusion_s_code_loads(tmp_path, monkeypatch):
    options = {
        **{"seed": 0, "images": 20, "image_size": 16, "max_tokens": 12, "text_width": 8, "text_layers": 1},
        **{"latent_channels": 4, "lr_decay_fraction": 1.0, "precision": "fp32"},
        **{
            "vae_channels": [8, 8],
            "vae_images_seen": 16,
            "vae_lr": 1e-3,
            "kl_weight": 1e-4,
            "unet_channels": [8, 8],
        },
        **{"unet_images_seen": 16, "unet_lr": 1e-3, "batch_size": 8, "vae_ema_decay": 0.9, "unet_ema_decay": 0.9},
    }
    out = tmp_path / "model"
    card = ROOT / "workflow" / "docs" / "mini-sd-digits.md"
    command = [
        "pretraining_digits",
        "--options",
        json.dumps(options),
        "--card",
        str(card),
        "--out",
        str(out / "model_index.json"),
    ]
    monkeypatch.setattr(sys, "argv", command)
    pretraining_digits.main()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]  # no checkpoints, no half-written folder
    assert "| `unet_images_seen` | 16 |" in (out / "README.md").read_text()
    image = load(out)("the digit one", num_inference_steps=2, guidance_scale=2.0, output_type="np").images[0]
    assert image.shape == (16, 16, 3)


def load(folder):
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_the_shipped_folder_is_small_and_holds_safetensors_only():
    found = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in found) <= 8e6
    assert {path.suffix for path in found} == {".safetensors", ".json", ".txt", ".md", ".png"}


def test_each_shipped_part_loads_by_its_own_class():
    for part, kind in {
        "vae": AutoencoderKL,
        "unet": UNet2DConditionModel,
        "text_encoder": CLIPTextModel,
    }.items():
        assert kind.from_pretrained(SHIPPED, subfolder=part).dtype == torch.float32
    assert PNDMScheduler.from_pretrained(SHIPPED, subfolder="scheduler").config.prediction_type == "v_prediction"
    tokenizer = CLIPTokenizer.from_pretrained(SHIPPED, subfolder="tokenizer")
    files = json.loads((SHIPPED / "tokenizer" / "vocab.json").read_text())
    assert tokenizer.get_vocab() == files


def test_the_shipped_model_draws_the_digit_it_is_asked_for():
    """Each sample's nearest printed neighbours are of its class."""
    from sklearn.neighbors import KNeighborsClassifier

    images, labels = typeset.render(2000, 16, seed=1)
    judge = KNeighborsClassifier(3).fit(images[..., 0].reshape(2000, -1), labels)
    prompts = [f"a photo of the digit {name}" for name in typeset.CLASS_NAMES for _ in range(5)]
    generators = [torch.Generator().manual_seed(i) for i in range(50)]
    settings = {"num_inference_steps": 20, "guidance_scale": 2.0, "output_type": "np"}
    sampled = load(SHIPPED)(prompts, generator=generators, **settings).images
    assert judge.score(sampled.mean(axis=-1).reshape(50, -1) * 255, np.repeat(np.arange(10), 5)) > 0.9


def test_the_shipped_vae_keeps_handwriting():
    scans = (load_digits().images[:300] * 255 / 16).round().astype(np.uint8)
    written = np.stack([Image.fromarray(s).resize((16, 16), Image.BICUBIC).convert("RGB") for s in scans])
    vae = AutoencoderKL.from_pretrained(SHIPPED, subfolder="vae")
    with torch.no_grad():
        decoded = vae.decode(fitting.encode(vae, written)[0]).sample
    restored = ((decoded.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    psnr_db = 10 * np.log10(255**2 / ((restored - written) ** 2).mean(axis=(1, 2, 3)))
    assert psnr_db.mean() > 35
    assert psnr_db.min() > 22
