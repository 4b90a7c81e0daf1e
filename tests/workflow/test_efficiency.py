"""What makes the stages fast, without a clock: what is computed once, what is never waited for, what is not kept.

The meta device has shapes and no data: whatever reads a value from it raises, as a host that reads from a GPU waits.
"""

import json
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch.utils._python_dispatch import TorchDispatchMode

from realgap.base_model import denoiser, schedules
from realgap.classifier import networks
from realgap.diffusion import inversion, sampling
from realgap.store import shards
from scripts import classifier_train as train
from tests import given

META, CPU = torch.device("meta"), torch.device("cpu")
ALPHAS = torch.linspace(0.999, 0.005, 100)
SETTINGS = {
    **{"prediction_type": "epsilon", "scaling_factor": 0.7, "lr": 0.03, "lr_schedule": "cosine", "weight_decay": 0.01},
    **{"timesteps": "stratified", "seed": 0},
}


class Copies(TorchDispatchMode):
    """Notes of every copy to another device whether the host waits for it."""

    def __init__(self):
        super().__init__()
        self.waited = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._to_copy.default and kwargs.get("device") is not None:
            self.waited.append(not kwargs.get("non_blocking", False))
        return function(*args, **(kwargs or {}))


# --- inversion --------------------------------------------------------------------------------------------------


def test_no_visit_waits_for_the_device():
    """All three visits of a part are called for before anything is read back, and only the part's end is."""
    calls, copies, until = [], Copies(), []

    def predict(latents, t, conditioning):
        calls.append(len(latents))
        until.append(len(copies.waited))
        return latents + conditioning.sum(dim=(1, 2)).view(-1, 1, 1, 1)

    mean = np.zeros((4, 4, 8, 8), np.float32)
    state = inversion.begin(np.zeros((4, 2, 8), np.float32), visits=150)
    run = given.invert(
        state, mean, mean, np.arange(4), predict, ALPHAS, **SETTINGS, visits=150, batch_size=4, device=META
    )
    with copies, pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        next(run)
    assert calls == [4, 4, 4]
    during = copies.waited[until[0] : until[-1]]
    assert during
    assert not any(during)


def test_a_batch_of_1_gives_the_embeddings_of_a_batch_of_64(base_model):
    unet = denoiser.load(base_model, CPU, torch.float32)
    random = np.random.default_rng(0)
    mean, ids = random.standard_normal((64, 4, 8, 8), np.float32), np.arange(100, 164)
    start = inversion.random_start(ids, num_tokens=2, width=8, scale=0.1, seed=0)

    def embeddings(rows):
        state = inversion.begin(start[rows], visits=6)
        images = mean[rows], np.full_like(mean[rows], 0.1), ids[rows], denoiser.predictor(unet), ALPHAS
        for _ in given.invert(state, *images, **SETTINGS, visits=6, batch_size=64, device=CPU):
            pass
        return state.embeddings

    together = embeddings(slice(None))
    for row in (0, 17, 63):
        np.testing.assert_allclose(embeddings(slice(row, row + 1))[0], together[row], atol=1e-5)


def test_inversion_needs_no_vae(tmp_path, base_model, invert_arguments, run_step):
    """Its weights are not even there, and the embeddings are the same."""
    blind = tmp_path / "blind"
    shutil.copytree(base_model, blind)
    (blind / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    run_step("scripts.inversion_invert", *invert_arguments(tmp_path / "whole.h5"))
    arguments = [text.replace(str(base_model), str(blind)) for text in invert_arguments(tmp_path / "blind.h5")]
    run_step("scripts.inversion_invert", *arguments)
    assert (tmp_path / "blind.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("n", [1, 64, 150])
def test_each_image_is_encoded_once(tmp_path, base_model, images_shard, run_step, monkeypatch, n):
    path, encode, encoded = images_shard("real.h5", n=n, size=16), AutoencoderKL.encode, []

    def counting(vae, pixels, *others, **more):
        encoded.append(pixels)
        return encode(vae, pixels, *others, **more)

    monkeypatch.setattr(AutoencoderKL, "encode", counting)
    options = json.dumps({"resolution": 16, **given.COMPUTE})
    model = base_model / "model_index.json"
    run_step(
        "scripts.inversion_encode",
        "--images",
        path,
        "--base-model",
        model,
        "--options",
        options,
        "--out",
        tmp_path / "moments.h5",
    )
    pixels = torch.cat(encoded)
    assert len(pixels) == n == len(shards.read(tmp_path / "moments.h5", "moments"))
    assert len(torch.unique(pixels, dim=0)) == n


# --- sampling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dpmsolver++", "ddim", "pndm"])
@pytest.mark.parametrize("guidance_scale", [1.0, 2.0])
def test_no_sampling_step_waits_for_the_device(base_model, name, guidance_scale):
    """UniPC is not among them: diffusers builds its coefficients on the device."""
    calls, copies, until = [], Copies(), []

    def predict(latents, t, conditioning):
        calls.append(len(latents))
        until.append(len(copies.waited))
        return latents * 0.5

    conditioning = np.zeros((3, 2, 8), np.float32)
    with copies:
        (drawn,) = sampling.sample(
            np.zeros((3, 4, 8, 8), np.float32),
            conditioning,
            conditioning[0],
            predict,
            schedules.sampler(base_model, name),
            lambda latents: latents,
            num_inference_steps=6,
            guidance_scale=guidance_scale,
            batch_size=3,
            device=META,
        )
    assert drawn.device == META
    assert len(calls) >= 6
    assert not any(copies.waited[until[0] : until[-1]])


def test_memory_is_that_of_a_batch_however_many_images_a_shard_has(base_model):
    """What one image of a prompt takes in Stable Diffusion: 77 tokens of width 768."""
    prompt, asked = np.zeros((77, 768), np.float32), []

    def conditioning(rows):
        asked.append(rows.stop - rows.start)
        return np.repeat(prompt[None], rows.stop - rows.start, axis=0)

    def peak(n):
        batches = sampling.sample(
            sampling.Rows(n, lambda rows: np.zeros((rows.stop - rows.start, 4, 8, 8), np.float32)),
            sampling.Rows(n, conditioning),
            prompt,
            lambda latents, t, conditioning: latents * 0.5,
            schedules.sampler(base_model, "dpmsolver++"),
            lambda latents: len(latents),
            num_inference_steps=1,
            guidance_scale=1.0,
            batch_size=4,
            device=CPU,
        )
        tracemalloc.start()
        try:
            assert sum(batches) == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4)
    few, many = peak(8), peak(400)
    assert many - few < prompt.nbytes  # of one image of the 392 more
    assert max(asked) == 4


def test_a_step_that_samples_never_holds_the_conditioning_of_a_whole_shard(tmp_path, step_of_sampling, monkeypatch):
    made = []
    monkeypatch.setattr(sampling.Rows, "__getitem__", lambda self, rows: made.append(rows) or self.make(rows))
    for source, conditioning in (("diffusion_inversion", "inversion"), ("stable_diffusion", "prompts")):
        step_of_sampling(source, conditioning, tmp_path / f"{source}.h5")
        assert {rows.stop - rows.start for rows in made} == {2, 1}
        assert len(made) == 2 * 8  # noise and conditioning of 5 images with 3 variants, 2 at a time
        made.clear()


@pytest.fixture
def step_of_sampling(tmp_path, base_model, run_step):
    """Runs scripts.sampling_sample on 5 images with 3 variants: step_of_sampling(source, conditioning, out)."""
    ids, random = np.array([4, 9, 2, 7, 1]), np.random.default_rng(0)
    images = random.integers(0, 256, (5, 16, 16, 3), np.uint8)
    same = {"labels": np.zeros(5, np.int64), "image_ids": ids}
    arrays = {"images": images, "variants": np.zeros(5, np.int32), **same}
    shards.write(tmp_path / "real.h5", "images", arrays, {"step": "test", "source": "real"})
    learned = {
        "embeddings": random.standard_normal((5, 3, 8), np.float32),
        "losses": np.zeros((5, 1), np.float32),
        "visits": np.ones(5, np.int32),
        **same,
    }
    shards.write(tmp_path / "embeddings.h5", "embeddings", learned, {"step": "test", "failed": []})
    (tmp_path / "templates.txt").write_text("a {}\nthe {}\n")

    def step(source, conditioning, out):
        options = {
            **{"source": source, "conditioning": conditioning, "class_name": "one", "images": None},
            **{
                "samples_per_image": 3,
                "strength": None,
                "inversion_steps": None,
                "fresh_noise": 0,
                "scheduler": "dpmsolver++",
            },
            **{
                "num_inference_steps": 1,
                "guidance_scale": 2.0,
                "guidance_interval": [0, 1],
                "unconditional": "class",
                "embedding_noise": 0.1,
            },
            **{"interpolation_strength": 0.1, "resolution": 16, "image_size": 16, "batch_size": 2, "seed": 0},
            **given.COMPUTE,
        }
        files = {
            **{"images": tmp_path / "real.h5", "base-model": base_model / "model_index.json"},
            **{"templates": tmp_path / "templates.txt", "embeddings": tmp_path / "embeddings.h5"},
        }
        named = [text for name, path in files.items() for text in (f"--{name}", path)]
        run_step("scripts.sampling_sample", *named, "--options", json.dumps(options), "--out", out)

    return step


# --- classifiers ------------------------------------------------------------------------------------------------


def test_no_training_step_waits_for_the_device():
    images, labels = np.zeros((8, 16, 16, 3), np.uint8), np.zeros(8, np.int64)
    run = given.train(
        networks.build("resnet18", 2, 16).to(META),
        [(images, labels), (images, labels)],
        [0.5, 0.5],
        **{"steps": 3, "batch_size": 4, "lr": 0.1, "warmup": 0.2, "momentum": 0.9, "weight_decay": 0.0},
        **{"label_smoothing": 0.1, "crop_padding": 1, "horizontal_flip": True, "seed": 0},
        device=META,
        dtype=torch.float32,
    )
    next(run)
    with Copies() as copies:
        assert len(list(run)) == 2
    assert copies.waited
    assert not any(copies.waited)


def test_the_losses_of_a_training_are_read_once_at_its_end(monkeypatch):
    read = []
    for name in ("__float__", "item", "tolist"):
        of_torch = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda self, of=of_torch, n=name: read.append((n, tuple(self.shape))) or of(self)
        )
    data = shards.Shard(
        {"images": np.zeros((8, 8, 8, 3), np.uint8), "labels": np.arange(8) % 2}, {"parts": [["real", 8]]}
    )
    settings = {
        "architecture": "resnet18",
        "stem": "auto",
        "steps": 4,
        "batch_size": 4,
        "lr": 0.01,
        "warmup": 0.0,
        "momentum": 0.9,
    }
    settings |= {"weight_decay": 0.0, "label_smoothing": 0.0, "crop_padding": 1, "horizontal_flip": False}
    settings |= {"real_share": 1.0, "seed": 0, **given.COMPUTE}
    _, losses = train.fit(data, train.Options(**settings))
    assert len(losses) == 4
    assert read == [("tolist", (4,))]
