"""realgap.diffusion.encoder, and the steps of an amortised inversion: an encoder is taught, then it predicts."""

import json

import numpy as np
import pytest
import torch

from realgap.base_model import denoiser, prompting, schedules
from realgap.diffusion import encoder, inversion
from realgap.store import shards
from tests import given

CPU = torch.device("cpu")
SHAPE = (2, 4, 4)
ALPHAS = torch.linspace(0.999, 0.01, 100)
ABOUT = {"prediction_type": "epsilon", "scaling_factor": 1.0, "seed": 0, "device": CPU}


def world(n=400, seed=0):
    """Latents, ids and classes of images; those of one world go on."""
    random = np.random.default_rng(seed)
    mean = 3 + 2 * random.standard_normal((n, *SHAPE)).astype(np.float32)
    return mean, np.full_like(mean, 0.1), 7 * np.arange(n) + seed, random.integers(0, 3, n)


PROMPTS = np.zeros((3, 2, 4), np.float32)


def taught(mean, std, ids, classes, predict, rounds=8, batch_size=50, prompts=PROMPTS, state=None, seed=0):
    network = encoder.begin(mean[np.argsort(ids)], prompts, seed)
    about = ABOUT | {"seed": seed, "rounds": rounds, "batch_size": batch_size, "state": state}
    states = list(encoder.teach(network, mean, std, ids, classes, predict, ALPHAS, **about))
    return network, states


def test_before_it_is_taught_it_says_the_prompts_embedding():
    mean, _, _, classes = world(9)
    prompts = np.random.default_rng(0).standard_normal((3, 2, 4)).astype(np.float32)
    network = encoder.begin(mean, prompts, seed=0)
    np.testing.assert_array_equal(encoder.predicted(network, mean, classes), prompts[classes])


def test_of_equal_latents_what_it_adds_depends_on_the_class():
    mean = np.repeat(world(1)[0], 3, axis=0)
    network = encoder.begin(world(9)[0], PROMPTS, seed=0)
    torch.nn.init.normal_(network.last.weight, generator=torch.Generator().manual_seed(0))
    said = encoder.predicted(network, mean, np.arange(3))
    assert all(np.abs(said[one] - said[other]).max() > 0.1 for one, other in ((0, 1), (0, 2), (1, 2)))


def towards(goal):
    """A denoiser whose loss is how far an embedding is from goal(noised latents), and from the noise."""

    def predict(latents, t, embeddings):
        off = (embeddings - goal(latents)).flatten(1)
        room = latents[0].numel() // off.shape[1]
        return off.repeat(1, room).view_as(latents)

    return predict


def test_it_learns_what_the_loss_asks_of_each_class_and_goes_on_to_images_it_has_not_seen():
    mean, std, ids, classes = world()
    goal = (torch.arange(8.0) / 4).view(1, 2, 4).expand(100, -1, -1)
    network, states = taught(mean, std, ids, classes, towards(lambda latents: goal[: len(latents)]), rounds=60)
    # the noise, which nothing can predict, has a loss of 1
    assert states[-1].losses[-1] - 1 < 0.1 * (states[-1].losses[0] - 1)
    new, _, _, of = world(20, seed=1)
    np.testing.assert_allclose(encoder.predicted(network, new, of), goal[:20].numpy(), atol=0.6)


def test_it_tells_images_apart_by_their_latents():
    """The loss asks for the sign of the first latents; noise at low noise levels leaves it to be seen."""
    mean, std, ids, classes = world(600)
    mean[:, 0, 0] = np.where(np.random.default_rng(2).random((600, 1)) < 0.5, -6, 6)
    clean = torch.full((100,), 0.9999)
    sign = towards(lambda latents: torch.sign(latents[:, 0, 0, :1])[:, :, None].expand(-1, 2, 4))
    network = encoder.begin(mean[np.argsort(ids)], PROMPTS, 0)
    about = ABOUT | {"rounds": 30, "batch_size": 50}
    list(encoder.teach(network, mean, std, ids, classes, sign, clean, **about))
    said = encoder.predicted(network, mean, classes).mean(axis=(1, 2))
    assert np.corrcoef(said, np.sign(mean[:, 0, 0, 0]))[0, 1] > 0.95


def test_its_first_gradient_is_that_of_the_plain_loss():
    """Written out with one backward pass of the whole mean loss."""
    mean, std, ids, classes = world(40)
    predict = towards(lambda latents: latents.flatten(1)[:, :8].view(-1, 2, 4))
    network, (state,) = taught(mean, std, ids, classes, predict, rounds=1, batch_size=7)
    plain = encoder.begin(mean[np.argsort(ids)], PROMPTS, 0)
    batch = inversion.Batch(mean, std, ids, ALPHAS, 1.0, "epsilon", 0, CPU, purpose="taught")
    latents, target, t = batch.noised(*batch.draw(0, "stratified"))
    loss = (predict(latents, t, plain(batch.mean, torch.from_numpy(classes))) - target).square().mean()
    loss.backward()
    gradient = torch.cat([one.grad.flatten() for one in plain.parameters()]).numpy()
    # Adam's first moment after one step
    np.testing.assert_allclose(state.exp_avg, 0.1 * gradient, rtol=1e-3, atol=1e-7)
    assert state.losses[0] == pytest.approx(float(loss.detach()), rel=1e-5)


def test_the_order_of_images_and_the_batch_change_nothing_but_rounding():
    mean, std, ids, classes = world(60)
    predict = towards(lambda latents: latents.flatten(1)[:, :8].view(-1, 2, 4))
    first, _ = taught(mean, std, ids, classes, predict, rounds=3)
    order = np.random.default_rng(0).permutation(60)
    again, _ = taught(mean[order], std[order], ids[order], classes[order], predict, rounds=3)
    np.testing.assert_array_equal(encoder.pack(first), encoder.pack(again))
    other, _ = taught(mean, std, ids, classes, predict, rounds=3, batch_size=9)
    np.testing.assert_allclose(encoder.pack(other), encoder.pack(first), atol=1e-4)


def test_a_teaching_that_was_stopped_goes_on_to_the_same_bits():
    mean, std, ids, classes = world(60)
    predict = towards(lambda latents: latents.flatten(1)[:, :8].view(-1, 2, 4))
    whole, states = taught(mean, std, ids, classes, predict, rounds=4)
    resumed, rest = taught(mean, std, ids, classes, predict, rounds=4, state=states[1])
    assert len(rest) == 2
    np.testing.assert_array_equal(encoder.pack(resumed), encoder.pack(whole))
    np.testing.assert_array_equal(rest[-1].losses, states[-1].losses)


def test_a_prediction_has_the_same_bits_whichever_other_images_are_there():
    mean, std, ids, classes = world(40)
    network, _ = taught(mean, std, ids, classes, towards(lambda latents: 1.0), rounds=2)
    together = encoder.predicted(network, mean, classes)
    for rows in (slice(0, 1), slice(17, 18), slice(3, 30)):
        np.testing.assert_array_equal(encoder.predicted(network, mean[rows], classes[rows]), together[rows])


def test_what_is_packed_is_unpacked_and_other_sizes_are_one_line():
    mean, _, _, classes = world(9)
    network = encoder.begin(mean, np.ones((3, 2, 4), np.float32), seed=3)
    packed = encoder.pack(network)
    again = encoder.unpack(packed, 32, (3, 2, 4))
    np.testing.assert_array_equal(encoder.predicted(again, mean, classes), encoder.predicted(network, mean, classes))
    with pytest.raises(ValueError, match=f"encoder: must hold .* numbers, holds {len(packed)}"):
        encoder.unpack(packed, 8, (3, 2, 4))
    with pytest.raises(ValueError, match="encoder: must be of latents of 8 numbers, is of 32"):
        encoder.predicted(network, np.zeros((1, 2, 2, 2), np.float32), np.array([0]))


# --- the steps ----------------------------------------------------------------------------------------------------

IDS = np.array([21, 4, 9, 2, 30, 17])
OPTIONS = {
    "steps_per_image": 0,
    "lr": 0.05,
    "lr_schedule": "cosine",
    "weight_decay": 0.01,
    "timesteps": "stratified",
    "early_stopping_patience": None,
    "early_stopping_tolerance": 0.01,
    "early_stopping_pairs": 4,
    "max_failed_share": 0.4,
    "batch_size": 2,
    "seed": 0,
    **given.COMPUTE,
}
TEACHING = {"classes": {"one": 1, "two": 5}, "words": {"one": "one", "two": "two"}, "num_tokens": 2, "rounds": 3}


@pytest.fixture
def moments(tmp_path):
    """The moments of six images of two classes in shards of any size: moments("folder", 2) -> files."""
    random = np.random.default_rng(0)
    mean, std = random.standard_normal((6, 4, 8, 8), np.float32), np.full((6, 4, 8, 8), 0.1, np.float32)
    labels = np.array([1, 1, 1, 5, 5, 5])

    def write(folder, size):
        paths = []
        for number, start in enumerate(range(0, 6, size)):
            rows = slice(start, start + size)
            arrays = {"mean": mean[rows], "std": std[rows], "labels": labels[rows], "image_ids": IDS[rows]}
            paths.append(tmp_path / folder / f"moments-{number}.h5")
            shards.write(paths[-1], "moments", arrays, {"step": "test", "class_labels": TEACHING["classes"]})
        return paths

    return write


@pytest.fixture
def amortise(run_step, base_model, tmp_path):
    """Teaches an encoder on shards and predicts each; what it says of all of them, and the encoder's file."""
    (tmp_path / "templates.txt").write_text("a {}\n")
    model = ("--base-model", base_model / "model_index.json")

    def run(paths, batch_size=50, **changes):
        made = paths[0].parent / "encoder.h5"
        if not made.exists():
            options = {**TEACHING, "batch_size": batch_size, "seed": 0, **given.COMPUTE}
            files = ("--moments", *paths, *model, "--templates", tmp_path / "templates.txt", "--out", made)
            run_step("scripts.inversion_teach", *files, "--options", json.dumps(options))
        parts = []
        for number, path in enumerate(paths):
            out = path.with_name(f"out-{number}.h5")
            options = json.dumps({**OPTIONS, **changes})
            run_step(
                "scripts.inversion_predict",
                *("--moments", path, "--encoder", made, *model, "--options", options, "--out", out),
            )
            parts.append(shards.read(out, "embeddings"))
        names = ("embeddings", "visits", "image_ids", "labels")
        return {name: np.concatenate([part[name] for part in parts]) for name in names}, made

    return run


def test_an_embedding_is_what_the_encoder_predicts_and_the_same_in_any_shard_and_batch(moments, amortise, tmp_path):
    whole, path = amortise(moments("whole", 6))
    fitted = shards.read(path, "encoder")
    network = encoder.unpack(fitted["weights"], 256, tuple(fitted.attributes["prompts"]))
    mean = shards.read(tmp_path / "whole/moments-0.h5", "moments")["mean"]
    np.testing.assert_array_equal(whole["embeddings"], encoder.predicted(network, mean, np.array([0, 0, 0, 1, 1, 1])))
    np.testing.assert_array_equal(whole["visits"], 0)
    for size, batch_size in ((1, 50), (2, 4), (4, 1)):
        made, _ = amortise(moments(f"of {size}", size), batch_size=batch_size)
        np.testing.assert_array_equal(made["image_ids"], IDS)
        np.testing.assert_allclose(made["embeddings"], whole["embeddings"], atol=1e-4)


def test_it_starts_from_the_prompts_of_each_class(moments, amortise, base_model):
    _, path = amortise(moments("whole", 6))
    fitted = shards.read(path, "encoder")
    network = encoder.unpack(fitted["weights"], 256, tuple(fitted.attributes["prompts"]))
    expected = prompting.embed(base_model, ["a one", "a two"], CPU)[:, :2]
    torch.testing.assert_close(network.prompts, expected)


def test_refining_is_a_plain_inversion_from_the_prediction(moments, amortise, base_model, tmp_path):
    start, _ = amortise(paths := moments("whole", 6))
    made, _ = amortise(paths, steps_per_image=3)
    np.testing.assert_array_equal(made["visits"], 3)
    alphas_cumprod, prediction_type = schedules.noise(base_model)
    settings = {key: OPTIONS[key] for key in ("lr", "lr_schedule", "weight_decay", "timesteps", "batch_size", "seed")}
    state = inversion.begin(start["embeddings"], 3)
    predict = denoiser.predictor(denoiser.load(base_model, CPU, torch.float32))
    scaling = json.loads((base_model / "vae/config.json").read_text())["scaling_factor"]
    held = shards.read(paths[0], "moments")
    about = {"prediction_type": prediction_type, "scaling_factor": scaling, "visits": 3, "device": CPU}
    list(given.invert(state, held["mean"], held["std"], IDS, predict, alphas_cumprod, **settings, **about))
    np.testing.assert_allclose(made["embeddings"], state.embeddings, atol=1e-6)
    assert np.abs(state.embeddings - start["embeddings"]).max() > 0.01


def test_the_encoder_says_what_it_was_made_of_and_is_refused_when_it_is_damaged(moments, amortise):
    paths = moments("of 3", 3)
    _, path = amortise(paths)
    made = shards.read(path, "encoder").attributes
    assert made["inputs"]["moments"] == shards.joint(shards.checksum(one) for one in paths)
    assert (made["classes"], made["images"], len(made["losses"])) == (TEACHING["classes"], 6, 3)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"encoder.h5: its content does not match its checksum; delete it and run"):
        amortise(paths)
