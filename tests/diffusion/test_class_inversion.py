"""realgap.diffusion.class_inversion: one embedding for a class, that of a plain loop with torch's AdamW."""

import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from realgap import streams
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.diffusion import class_inversion
from realgap.store import checkpoints, shards
from tests import checkout, digits, given

CPU = torch.device("cpu")
IDS = np.array([7, 3, 11, 4, 20])
ALPHAS = torch.linspace(0.999, 0.005, 100)
SETTINGS = {
    "prediction_type": "epsilon",
    "scaling_factor": 0.7,
    "steps": 12,
    "images_per_step": 3,
    "lr": 0.05,
    "weight_decay": 0.01,
    "seed": 0,
    "device": CPU,
}


@pytest.fixture(scope="module")
def predict(base_model):
    return denoiser.predictor(denoiser.load(base_model, CPU, torch.float32))


def moments(n=5):
    random = np.random.default_rng(0)
    return random.standard_normal((n, 4, 8, 8), np.float32), random.uniform(0.1, 0.3, (n, 4, 8, 8)).astype(np.float32)


def start():
    return np.random.default_rng(1).uniform(-0.1, 0.1, (2, 8)).astype(np.float32)


def run(predict, order=slice(None), state=None, until=None, **changes):
    """The last state, after all steps or the first `until` of them."""
    settings = {**SETTINGS, **changes}
    mean, std = (array[order] for array in moments())
    state = state or class_inversion.begin(start())
    for current in class_inversion.invert(state, mean, std, IDS[order], predict, ALPHAS, **settings):
        state = current()
        if len(state.losses) == until:
            break
    return state


def plain(predict, prediction_type, images_per_step, steps=12, lr=0.05):
    """Textual inversion as one would write it down: torch's own optimiser and backward pass."""
    mean, std = (torch.from_numpy(array) for array in moments())
    embedding = torch.from_numpy(start())[None].requires_grad_()
    optimiser = torch.optim.AdamW([embedding], lr=lr, weight_decay=0.01)
    cosine = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    losses = []
    for step in range(steps):
        by_id = sorted(range(len(IDS)), key=lambda row: IDS[row])
        seen = streams.stream(0, "class step", step).permutation(by_id)[:images_per_step]
        each = []
        for row in seen:
            own = streams.stream(0, "class visit", IDS[row], step)
            t = int(own.integers(100))
            posterior, noise = torch.from_numpy(own.standard_normal((2, 4, 8, 8), dtype=np.float32))
            latents = 0.7 * (mean[row] + std[row] * posterior)
            a, s = ALPHAS[t].sqrt(), (1 - ALPHAS[t]).sqrt()
            target = noise if prediction_type == "epsilon" else a * noise - s * latents
            predicted = predict((a * latents + s * noise)[None], torch.tensor([t]), embedding)[0]
            each.append(((predicted - target) ** 2).mean())
        loss = torch.stack(each).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        cosine.step()
        losses.append(float(loss.detach()))
    return embedding.detach().numpy(), losses


@pytest.mark.parametrize(("prediction_type", "images_per_step"), [("epsilon", 3), ("v_prediction", 3), ("epsilon", 50)])
def test_it_is_a_plain_loop_with_torchs_adamw(predict, prediction_type, images_per_step):
    state = run(predict, prediction_type=prediction_type, images_per_step=images_per_step)
    embedding, losses = plain(predict, prediction_type, images_per_step)
    np.testing.assert_allclose(state.losses, losses, rtol=1e-4)
    np.testing.assert_allclose(state.embedding, embedding, atol=1e-4)
    assert np.abs(state.embedding - start()).max() > 0.05


def test_the_order_of_the_shards_does_not_matter(predict):
    whole, turned = run(predict), run(predict, order=np.array([3, 4, 0, 2, 1]))
    np.testing.assert_array_equal(turned.embedding, whole.embedding)
    np.testing.assert_array_equal(turned.losses, whole.losses)


@pytest.mark.parametrize("until", [1, 5, 11])
def test_going_on_from_a_state_ends_in_the_same_bits(predict, until):
    whole, stopped = run(predict), run(predict, until=until)
    assert len(stopped.losses) == until
    resumed = run(predict, state=stopped)
    for one, other in zip(vars(resumed).values(), vars(whole).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def step_line(tmp_path, base_model):
    """The command line of the step, as a function of where to; its moments lie in two shards."""
    mean, std = moments()
    for name, rows in (("a", slice(2)), ("b", slice(2, 5))):
        arrays = {"mean": mean[rows], "std": std[rows], "labels": np.ones(len(IDS[rows]), np.int64)}
        shards.write(tmp_path / f"{name}.h5", "moments", {**arrays, "image_ids": IDS[rows]}, {"step": "test"})
    (tmp_path / "templates.txt").write_text("a {}\n")
    options = {"class_name": "one", "num_tokens": 2, "steps": 300, "images_per_step": 3, "lr": 0.05}
    options |= {"weight_decay": 0.01, "seed": 0, **given.COMPUTE}
    files = ["--base-model", str(base_model / "model_index.json"), "--templates", str(tmp_path / "templates.txt")]
    named = ["--moments", str(tmp_path / "a.h5"), str(tmp_path / "b.h5"), *files]
    return lambda out, **changes: [*named, "--options", json.dumps({**options, **changes}), "--out", str(out)]


@pytest.mark.long
def test_a_step_told_to_stop_goes_on_to_the_same_bytes(tmp_path, step_line, run_step):
    handlers = {number: signal.getsignal(number) for number in checkpoints.STOPS}
    try:
        run_step("scripts.inversion_invert_class", *step_line(tmp_path / "reference.h5"))
        out = tmp_path / "stopped.h5"
        command = [sys.executable, "-m", "scripts.inversion_invert_class", *step_line(out)]
        step = subprocess.Popen(command, stderr=subprocess.PIPE)
        said = b""
        while b"inverting" not in said:  # the progress bar, which has no line ends
            said += step.stderr.read(1) or pytest.fail(said.decode())
        step.send_signal(signal.SIGTERM)
        said += step.communicate()[1]
        assert step.returncode == 143, said
        assert not out.exists()
        assert (tmp_path / ".stopped.h5.checkpoint.safetensors").exists()
        run_step("scripts.inversion_invert_class", *step_line(out))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert out.read_bytes() == (tmp_path / "reference.h5").read_bytes()
    assert not (tmp_path / ".stopped.h5.checkpoint.safetensors").exists()


def test_the_shard_holds_one_embedding_of_the_classes_number(tmp_path, base_model, step_line, run_step):
    run_step("scripts.inversion_invert_class", *step_line(tmp_path / "out.h5", steps=1, lr=1e-9, weight_decay=0.0))
    found = shards.read(tmp_path / "out.h5", "embeddings")
    assert found["embeddings"].shape == (1, 2, 8)
    assert (found["labels"].tolist(), found["visits"].tolist(), found["losses"].shape) == ([1], [3], (1, 1))
    expected = prompting.embed(base_model, ["a one"], CPU)[:, :2].numpy()
    np.testing.assert_allclose(found["embeddings"], expected, atol=1e-6)


def test_a_rate_that_is_too_high_is_one_line(tmp_path, step_line, run_step):
    with pytest.raises(ValueError, match=r"class_inversion\.lr: must be lower, got 1e\+37: NaN or infinity arose"):
        run_step("scripts.inversion_invert_class", *step_line(tmp_path / "out.h5", steps=3, lr=1e37))
    assert not (tmp_path / "out.h5").exists()


def test_on_real_digits_the_loss_on_fixed_noise_falls():
    model = checkout.ROOT / "resources/mini-sd-digits"
    vae, unet = (load(model, CPU, torch.float32) for load in (autoencoder.load, denoiser.load))
    mean, std = autoencoder.encode(vae, digits.images(3, 24), 16)
    predict, (alphas, kind) = denoiser.predictor(unet), schedules.noise(model)
    first = prompting.embed(model, ["a 3"], CPU)[0, :5].numpy()
    settings = {**SETTINGS, "scaling_factor": vae.config.scaling_factor, "prediction_type": kind}
    settings |= {"steps": 60, "images_per_step": 12, "lr": 0.1}
    begun = class_inversion.begin(first)
    *_, last = class_inversion.invert(begun, mean, std, np.arange(24), predict, alphas, **settings)
    state = last()

    @torch.no_grad()
    def loss(embedding):
        noise = torch.from_numpy(np.random.default_rng(5).standard_normal(mean.shape, np.float32))
        latents, t = torch.from_numpy(mean) * vae.config.scaling_factor, torch.arange(24) * len(alphas) // 24
        a, s = (x.view(-1, 1, 1, 1) for x in (alphas[t].sqrt(), (1 - alphas[t]).sqrt()))
        target = noise if kind == "epsilon" else a * noise - s * latents
        shared = torch.from_numpy(embedding).expand(24, -1, -1)
        return float((predict(a * latents + s * noise, t, shared) - target).square().mean())

    before, after = loss(first[None]), loss(state.embedding)
    assert after < 0.95 * before, (before, after)
