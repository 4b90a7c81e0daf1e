"""From an ImageFolder to a base model of photographs: collect, screen, train, on a tiny folder."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load
from transformers import CLIPTokenizer

from realgap import streams
from realgap.base_model import autoencoder, denoiser, prompting
from realgap.data import loaders
from realgap.pretraining import captions, fitting, miniature
from scripts import pretraining_digits as digits
from tests import stable_diffusion
from tests.data.test_screening import photographs

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "resources" / "mini-sd-natural"
OPTIONS = {
    **{"seed": 0, "images": None, "image_size": 32, "max_tokens": 12, "text_width": 8, "text_layers": 1},
    **{"latent_channels": 6, "vae_channels": [8, 8, 8], "vae_images_seen": 16, "vae_lr": 1e-3, "vae_ema_decay": 0.9},
    **{"kl_weight": 1e-4, "unet_channels": [8, 8], "unet_images_seen": 16, "unet_lr": 1e-3, "unet_ema_decay": 0.9},
    **{"batch_size": 8, "lr_decay_fraction": 0.5, "precision": "bf16", "prompts": ["a photo of a frog"]},
}


# one worker, which makes the base model once
pytestmark = pytest.mark.xdist_group("natural")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cifar10_root):
    """Two classes of eight pictures of 64 px, one of them a mirrored image of CIFAR-10; and another's very pixels."""
    root = tmp_path_factory.mktemp("photographs")
    unseen = loaders.cifar10(cifar10_root, "test").images
    planted = {3: Image.fromarray(unseen[5][:, ::-1]).resize((64, 64), Image.Resampling.BICUBIC)}
    for number, image in enumerate(photographs(16, seed=4, size=64)):
        path = root / "train" / ("n1", "n2")[number % 2] / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        planted.get(number, Image.fromarray(image)).save(path)
    Image.fromarray(unseen[77]).save(root / "train" / "n1" / "images" / "same.png")
    (root / "captions.tsv").write_text("folder\tname\tkind\nn1\tbullfrog\tfrog\nn2\ttabby cat\tcat\n")
    return root


@pytest.fixture
def screened(folder, cifar10_root, tmp_path, run_step):
    """The files of the first two steps."""
    files = {name: tmp_path / f"{name}" for name in ("photographs.h5", "screening.csv", "pairs.png", "pairs.svg")}
    options = {"root": str(folder), "captions": str(folder / "captions.tsv"), "image_size": 32}
    run_step("scripts.pretraining_collect", "--options", json.dumps(options), "--out", files["photographs.h5"])
    options = {
        "unseen": "cifar10",
        "unseen_root": str(cifar10_root),
        "image_size": 32,
        "duplicate_threshold": 0.9,
        "pairs": 4,
    }
    pictures = [files["pairs.png"], files["pairs.svg"]]
    run_step(
        *("scripts.pretraining_screen", "--photographs", files["photographs.h5"], "--options", json.dumps(options)),
        *("--table", files["screening.csv"], "--figure", *pictures),
    )
    return files


@pytest.mark.long
def test_a_folder_becomes_a_base_model_without_what_must_stay_unseen(screened, folder, tmp_path, run_step):
    table = pd.read_csv(screened["screening.csv"])
    assert len(table) == 17
    assert table.exact.sum() == 1
    assert table.duplicate.sum() == 2
    assert set(table.unseen_id[table.duplicate]) == {50_005, 50_077}

    card = tmp_path / "card.md"
    card.write_text("$photographs of $classes classes. $screening. $losses $settings")
    out = tmp_path / "model"
    arguments = {
        "photographs": screened["photographs.h5"],
        "screened": screened["screening.csv"],
        "captions": folder / "captions.tsv",
        "card": card,
        "out": out / "model_index.json",
        "options": json.dumps(OPTIONS),
    }
    run_step("scripts.pretraining_natural", *(text for name, it in arguments.items() for text in (f"--{name}", it)))
    said = (out / "README.md").read_text()
    assert said.startswith(
        "15 of 2 classes. 17 photographs were compared: 1 have the same pixels as an unseen image, 1 "
    )
    assert {"losses.png", "samples.png", "reconstructions.png"} < {path.name for path in out.iterdir()}
    assert Image.open(out / "samples.png").size == (320, 32)
    assert not list(tmp_path.glob(".model*"))
    for part in ("unet", "vae", "text_encoder"):
        with open(next((out / part).glob("*.safetensors")), "rb") as weights:
            assert {weight.dtype for weight in load(weights.read()).values()} == {torch.float16}
    pipeline = StableDiffusionPipeline.from_pretrained(out, safety_checker=None, dtype=torch.float32)
    image = pipeline("a photo of a cat", num_inference_steps=2, output_type="np").images[0]
    assert image.shape == (32, 32, 3)
    device = torch.device("cpu")
    assert denoiser.load(out, device, torch.float32).config.in_channels == 6
    assert prompting.embed(out, ["a cat"], device).dtype == torch.float32


@pytest.mark.long
def test_a_screening_of_other_photographs_is_refused(screened, folder, tmp_path, run_step):
    table = pd.read_csv(screened["screening.csv"]).iloc[1:]
    table.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ValueError, match="the screening must be of these photographs"):
        run_step(
            *("scripts.pretraining_natural", "--photographs", screened["photographs.h5"]),
            *("--screened", tmp_path / "other.csv", "--captions", folder / "captions.tsv", "--card", tmp_path),
            *("--out", tmp_path / "never" / "model_index.json", "--options", json.dumps(OPTIONS)),
        )
    assert not (tmp_path / "never").exists()


def test_a_folder_without_a_line_in_the_table_is_one_line(folder, tmp_path, run_step):
    (tmp_path / "captions.tsv").write_text("folder\tname\tkind\nn1\tbullfrog\tfrog\n")
    options = {"root": str(folder), "captions": str(tmp_path / "captions.tsv"), "image_size": 32}
    with pytest.raises(ValueError, match=r"captions\.tsv: must have a line for the folder n2 of "):
        run_step("scripts.pretraining_collect", "--options", json.dumps(options), "--out", tmp_path / "never.h5")
    assert not (tmp_path / "never.h5").exists()


@pytest.mark.long
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_in_either_precision_losses_fall_and_weights_are_fp32(tmp_path, precision):
    pipeline, traces = digits.train(photographs(16, seed=0), ["a cat"] * 32, settings(precision), tmp_path / "model")
    for trace in traces.values():
        assert len(trace.losses) == 60
        assert np.mean(trace.losses[-15:]) < np.mean(trace.losses[:15])
    for part in (pipeline.vae, pipeline.unet, pipeline.text_encoder):
        assert {weight.dtype for weight in part.parameters()} == {torch.float32}


def settings(precision):
    known = {name: value for name, value in OPTIONS.items() if name != "prompts"}
    more = {"vae_images_seen": 480, "unet_images_seen": 480, "vae_lr": 1e-2, "unet_lr": 1e-2, "precision": precision}
    return digits.Options(**{**known, **more})


@pytest.mark.long
def test_a_killed_run_goes_on_with_its_own_tokenizer(tmp_path, monkeypatch):
    """Two tokenizers of the same captions number equally frequent words differently: weights fit their own alone."""
    words = [f"a {first}{second}" for first in "bcdfg" for second in "aeiou"] * 2
    images, options = photographs(10, seed=0), settings("fp32")
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 10)

    def killed(seed, purpose, *item):
        if (purpose, item) == ("train_denoiser", (25,)):
            raise KeyboardInterrupt
        return streams.stream(seed, purpose, *item)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "stream", killed)
        with pytest.raises(KeyboardInterrupt):
            digits.train(images, words, options, tmp_path / "killed")
    kept = CLIPTokenizer.from_pretrained(tmp_path / ".killed.tokenizer")
    with monkeypatch.context() as patch:
        patch.setattr(miniature, "make_tokenizer", lambda *arguments: pytest.fail("a second tokenizer was made"))
        resumed, _ = digits.train(images, words, options, tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(miniature, "make_tokenizer", lambda *arguments: kept)
        unbroken, _ = digits.train(images, words, options, tmp_path / "unbroken")
    assert resumed.tokenizer.get_vocab() == kept.get_vocab()
    for part in ("vae", "unet", "text_encoder"):
        one, other = (getattr(pipeline, part).state_dict() for pipeline in (resumed, unbroken))
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    digits.forget(tmp_path / "killed", options)
    assert not list(tmp_path.glob(".killed*"))


def test_every_caption_of_an_image_is_used(tmp_path):
    seen = set()
    captions = [f"a {word}" for word in ("cat", "dog", "frog", "bird", "truck", "ship")]
    images = photographs(3, seed=0)
    pipeline = stable_diffusion.smallest(captions, 6, image_size=32)

    def note(module, arguments):
        seen.update(pipeline.tokenizer.batch_decode(arguments[0], skip_special_tokens=True))

    pipeline.text_encoder.register_forward_pre_hook(note)
    given = {"visits": 64, "batch_size": 16, "lr": 1e-3, "ema_decay": 0.5, "seed": 0}
    checkpoint = fitting.Checkpoint(tmp_path / "unet.pt", settings="these")
    fitting.train_denoiser(pipeline, images, captions, checkpoint=checkpoint, **given)
    assert seen == {"", *captions}
    with pytest.raises(ValueError, match="captions: must be equally many for each of 3 images, got 5"):
        fitting.train_denoiser(pipeline, images, captions[:5], checkpoint=checkpoint, **given)


def test_the_shipped_folder_is_small_and_in_half_precision():
    found = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in found) <= 24e6
    assert {path.suffix for path in found} == {".safetensors", ".json", ".txt", ".md", ".png"}
    for path in SHIPPED.glob("*/*.safetensors"):
        assert {weight.dtype for weight in load(path.read_bytes()).values()} == {torch.float16}


def test_the_shipped_vae_keeps_photographs_it_has_not_seen(cifar10_root):
    images = loaders.cifar10(cifar10_root, "test").images[:200]
    vae = autoencoder.load(SHIPPED, torch.device("cpu"), torch.float32)
    mean, _ = autoencoder.encode(vae, images, 32)
    decoded = autoencoder.decode(vae, torch.from_numpy(mean) * vae.config.scaling_factor, 32)
    psnr_db = 10 * np.log10(255**2 / ((decoded.astype(float) - images) ** 2).mean(axis=(1, 2, 3)))
    assert psnr_db.mean() > 28


def test_the_shipped_model_puts_colours_where_the_prompt_says():
    """What embeddings steer: above sky, below grass, and the other way round."""
    sky, grass = " ".join(["azure"] * 32), " ".join(["green"] * 32)
    images = drawn([f"{sky} {grass}, a landscape"] * 8 + [f"{grass} {sky}, a landscape"] * 8)
    bluer = images[:, :8, :, 2].mean(axis=(1, 2)) - images[:, 24:, :, 2].mean(axis=(1, 2))
    assert bluer[:8].min() > 0 > bluer[8:].max()


def test_the_shipped_model_draws_what_the_words_for_an_image_say(cifar10_root):
    """Of 32 images it has not seen, each drawing is nearest to its own, and as near as one blurred to 4 px."""
    images = loaders.cifar10(cifar10_root, "test").images[:32]
    found = drawn(captions.looks(images, "thing"))
    squared = np.square(found[:, None] - images / 255).mean(axis=(2, 3, 4))
    assert squared.argmin(axis=1).tolist() == list(range(32))
    assert -10 * np.log10(squared.diagonal()).mean() > 17.5


def drawn(prompts):
    """float (n, 32, 32, 3) in [0, 1]."""
    pipeline = StableDiffusionPipeline.from_pretrained(SHIPPED, safety_checker=None, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(i) for i in range(len(prompts))]
    settings = {"num_inference_steps": 12, "guidance_scale": 2.0, "output_type": "np"}
    return pipeline(prompts, generator=generators, **settings).images
