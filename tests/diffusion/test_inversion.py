"""realgap.diffusion.inversion: one embedding per image, which owns its optimiser and its random streams."""

import copy
import json

import numpy as np
import pytest
import torch

from realgap import devices, streams
from realgap.base_model import denoiser, prompting
from realgap.diffusion import inversion
from realgap.pretraining import captions
from realgap.store import shards
from tests import given

CPU = torch.device("cpu")
IDS = np.array([7, 3, 11, 4, 20])
ALPHAS = torch.linspace(0.999, 0.005, 100)
SETTINGS = {
    "prediction_type": "epsilon",
    "scaling_factor": 0.7,
    "visits": 24,
    "lr": 0.03,
    "lr_schedule": "constant",
    "weight_decay": 0.01,
    "timesteps": "uniform",
    "seed": 0,
    "batch_size": 5,
    "device": CPU,
}


@pytest.fixture(scope="module")
def unet(base_model):
    return denoiser.load(base_model, CPU, torch.float32)


def moments(n=5, shape=(4, 8, 8)):
    random = np.random.default_rng(0)
    return random.standard_normal((n, *shape), np.float32), random.uniform(0.1, 0.3, (n, *shape)).astype(np.float32)


def start(image_ids=IDS):
    return inversion.random_start(image_ids, num_tokens=2, width=8, scale=0.1, seed=0)


def run(unet, rows=slice(None), state=None, parts=None, **changes):
    """Invert some of the images; stop after some parts. Returns the state, and every state on the way."""
    settings = {**SETTINGS, **changes}
    mean, std = (array[rows] for array in moments())
    state = state or inversion.begin(start(IDS[rows]), settings["visits"], settings.get("early_stopping") is not None)
    steps = given.invert(state, mean, std, IDS[rows], denoiser.predictor(unet), ALPHAS, **settings)
    for done, _ in enumerate(steps, start=1):
        if done == parts:
            break
    return state


def transcription(unet, row, visits, lr, decay, prediction_type="epsilon", cosine=False):
    """The method as one would write it down for one image: a loop over visits with torch's Adam and plain maths."""
    mean, std = (torch.from_numpy(array[row]) for array in moments())
    embedding = torch.from_numpy(start(IDS[row : row + 1])[0]).clone().requires_grad_()
    optimiser = torch.optim.Adam([embedding], lr=lr)
    for visit in range(visits):
        stream = streams.stream(0, "visit", IDS[row], visit)
        t = int(stream.random() * len(ALPHAS))
        posterior, noise = torch.from_numpy(stream.standard_normal((2, *mean.shape), dtype=np.float32))
        latents = (mean + std * posterior) * 0.7
        a, s = ALPHAS[t] ** 0.5, (1 - ALPHAS[t]) ** 0.5
        target = noise if prediction_type == "epsilon" else a * noise - s * latents
        rate = lr * (0.5 + 0.5 * np.cos(np.pi * visit / visits)) if cosine else lr
        optimiser.param_groups[0]["lr"] = rate
        predicted = unet((a * latents + s * noise)[None], torch.tensor(t), embedding[None]).sample[0]
        optimiser.zero_grad()
        ((predicted - target) ** 2).mean().backward()
        with torch.no_grad():
            embedding.mul_(1 - rate * decay)  # decoupled, before the step: Loshchilov and Hutter 2019
        optimiser.step()
    return embedding.detach().numpy()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_embeddings_agree_with_a_plain_loop_of_adam_for_each_image(unet, kind, schedule):
    state = run(unet, prediction_type=kind, lr_schedule=schedule, weight_decay=0.1)
    assert (state.parts_done == 24).all()
    assert (state.visits(24) == 24).all()
    for row in (0, 3):
        expected = transcription(unet, row, 24, 0.03, 0.1, kind, cosine=schedule == "cosine")
        np.testing.assert_allclose(state.embeddings[row], expected, atol=2e-5)


def test_an_embedding_is_the_same_alone_or_in_a_batch_of_others(unet):
    together = run(unet)
    for row in range(len(IDS)):
        alone = run(unet, rows=slice(row, row + 1))
        np.testing.assert_allclose(alone.embeddings[0], together.embeddings[row], atol=1e-5)
        np.testing.assert_allclose(alone.losses[0], together.losses[row], rtol=1e-4)
    in_batches = run(unet, batch_size=2)
    np.testing.assert_allclose(in_batches.embeddings, together.embeddings, atol=1e-5)


def test_the_same_batches_give_the_same_bits(unet):
    one, two = run(unet, batch_size=2), run(unet, batch_size=2)
    np.testing.assert_array_equal(one.embeddings, two.embeddings)
    np.testing.assert_array_equal(one.losses, two.losses)


def test_a_run_taken_up_again_from_any_part_ends_with_the_same_bits(unet):
    settings = {"visits": 7, "batch_size": 3, "timesteps": "stratified", "lr_schedule": "cosine"}
    whole = run(unet, **settings)
    for parts in range(1, 15):  # 7 of each of two batches
        stopped = copy.deepcopy(run(unet, parts=parts, **settings))
        resumed = run(unet, state=stopped, **settings)
        equal_bits(resumed, whole)


def test_what_a_second_thread_draws_ahead_is_what_is_drawn_in_turn(unet, monkeypatch):
    settings = {"visits": 40, "batch_size": 2, "timesteps": "stratified"}
    in_turn = run(unet, **settings)
    asked = []

    def as_on_a_gpu(items, device, original=devices.ahead):
        asked.append(device)
        return original(items, torch.device("cuda"))

    monkeypatch.setattr(devices, "ahead", as_on_a_gpu)
    equal_bits(run(unet, **settings), in_turn)
    assert len(asked) == len(in_turn.losses[0]) * -(-len(IDS) // 2)


def equal_bits(one, two):
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(two, name), err_msg=name)


# --- early stopping ---------------------------------------------------------------------------------------------

STOPPING = (3, 0.01, 4)  # patience, tolerance, pairs


def stop_early(first_numbers, rows=slice(None), state=None, parts=None, visits=200, **changes):
    """Images whose embeddings are to become 0, from different starts: those that start closer are done earlier."""
    start = np.array(first_numbers, np.float32).reshape(-1, 1, 1)[rows]
    state = state or inversion.begin(start, visits, early_stopping=True)

    def predict(latents, timesteps, conditioning):
        s = (1 - ALPHAS[timesteps]).sqrt().view(-1, 1, 1, 1)
        return latents / s + conditioning.view(-1, 1, 1, 1)  # the latents are 0, so noise is all there is

    ids, zero = np.arange(len(first_numbers))[rows], np.zeros((len(start), 1, 1, 1), np.float32)
    settings = {**SETTINGS, "visits": visits, "lr": 0.01, "weight_decay": 0.0, "early_stopping": STOPPING, **changes}
    for done, _ in enumerate(given.invert(state, zero, zero, ids, predict, ALPHAS, **settings), start=1):
        if done == parts:
            break
    return state


def test_an_image_stops_when_its_fixed_loss_has_stopped_falling_and_keeps_the_minimum():
    state = stop_early([0.02, 0.5, 1.9])
    visits = state.visits(200)
    assert visits[0] < visits[1] < visits[2] == 200  # the last one is still on its way: 200 steps of 0.01
    assert state.stopped.tolist() == [True, True, False]
    assert np.abs(state.result().ravel()[:2]).max() < 0.02
    np.testing.assert_array_equal(state.best_losses[2], state.best_losses.max())
    for row in range(3):
        had = state.parts_done[row]
        assert np.isfinite(state.losses[row, :had]).all()
        assert np.isnan(state.losses[row, had:]).all()


def test_the_embedding_kept_is_the_one_with_the_lowest_fixed_loss_not_the_last():
    """A learning rate far too high: the embedding leaves the minimum it starts in, and the minimum is kept."""
    state = stop_early([1e-4], lr=5.0)
    assert state.stopped.all()
    assert np.abs(state.result()).max() <= np.abs(state.embeddings).max()
    assert state.best_losses[0] == pytest.approx(float(state.result().ravel()[0]) ** 2, rel=1e-3)


def test_stopping_is_the_same_in_any_batch_and_after_any_interruption():
    starts, settings = [0.5, 0.02, 0.3, 1.9, 0.1], {"batch_size": 3}
    whole = stop_early(starts, **settings)
    assert len(set(whole.visits(200))) == 4  # so batches shrink on the way
    for parts in (1, 7, 9, 30, 51, 60):
        resumed = stop_early(starts, state=copy.deepcopy(stop_early(starts, parts=parts, **settings)), **settings)
        equal_bits(resumed, whole)
    for row in range(5):
        alone = stop_early(starts, rows=slice(row, row + 1), **settings)
        assert alone.visits(200) == whole.visits(200)[row]
        np.testing.assert_allclose(alone.result()[0], whole.result()[row], atol=1e-5)


def test_without_early_stopping_nothing_is_evaluated_and_every_visit_made():
    calls = []

    def predict(latents, t, conditioning):
        calls.append(len(latents))
        return torch.zeros_like(latents) + 0 * conditioning.sum()

    mean, std = moments()
    state = inversion.begin(start(), visits=24)
    list(given.invert(state, mean, std, IDS, predict, ALPHAS, **SETTINGS))
    assert calls == [5] * 24
    assert len(state.best) == 0


# --- memory -----------------------------------------------------------------------------------------------------


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_result_is_the_same(unet, capfd):
    """torch's own error for a full device, once more than 2 images are in a batch."""
    expected = run(unet)
    fits, sizes = denoiser.predictor(unet), []

    def small_device(latents, timesteps, conditioning):
        sizes.append(len(latents))
        if len(latents) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return fits(latents, timesteps, conditioning)

    mean, std = moments()
    state = inversion.begin(start(), SETTINGS["visits"])
    list(given.invert(state, mean, std, IDS, small_device, ALPHAS, **SETTINGS))
    np.testing.assert_allclose(state.embeddings, expected.embeddings, atol=1e-5)
    assert sizes.count(5) == 1
    assert set(sizes) == {5, 2, 1}
    assert capfd.readouterr().err == "out of memory with 5 images at once, going on with 2\n"


def test_a_device_too_small_for_one_image_is_one_line():
    def no_device(latents, timesteps, conditioning):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    mean, std = moments()
    with pytest.raises(ValueError, match="out of memory with a batch of one image"):
        list(given.invert(inversion.begin(start(), 24), mean, std, IDS, no_device, ALPHAS, **SETTINGS))


def test_gradients_survive_half_precision():
    """Gradients of 1e-7, of which float16 keeps one bit, move an embedding as they do in float32."""
    mean, std = moments()

    def nearly_deaf(dtype):
        def predict(latents, timesteps, conditioning):
            heard = conditioning.to(dtype)[:, 0, 0].view(-1, 1, 1, 1)
            return torch.zeros_like(latents) + 1e-6 * heard.float()

        return predict

    ends = []
    for dtype in (torch.float32, torch.float16):
        state = inversion.begin(start(), 24)
        list(given.invert(state, mean, std, IDS, nearly_deaf(dtype), ALPHAS, **SETTINGS))
        ends.append(state.embeddings)
    assert np.median(np.abs(ends[0] - start())[:, 0, 0]) > 0.01
    np.testing.assert_allclose(ends[1], ends[0], atol=2e-3)


def test_the_frozen_weights_stay_bit_identical_and_get_no_gradient(unet):
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    state = run(unet)
    torch.testing.assert_close(unet.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in unet.parameters())
    assert not np.allclose(state.embeddings, start())


def knowing(guess_of, prediction_type):
    """A denoiser that is right if its conditioning says what the latents are: then its loss is zero."""

    def predict(latents, timesteps, conditioning):
        a = ALPHAS[timesteps].sqrt().view(-1, 1, 1, 1)
        s = (1 - ALPHAS[timesteps]).sqrt().view(-1, 1, 1, 1)
        guess = guess_of(conditioning)
        noise = (latents - a * guess) / s
        return noise if prediction_type == "epsilon" else a * noise - s * guess

    return predict


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_denoiser_has_no_loss_and_its_embedding_becomes_the_latents(kind):
    """Whatever is predicted: a target of the wrong sign or scale would leave a loss, and lead elsewhere."""
    mean = np.array([0.8, -0.5, 0.3], np.float32).reshape(3, 1, 1, 1)
    truth = 0.7 * torch.from_numpy(mean)
    state = inversion.begin(np.zeros((3, 1, 1), np.float32), visits=400)
    settings = {**SETTINGS, "prediction_type": kind, "visits": 400, "weight_decay": 0.0, "lr_schedule": "cosine"}
    predict = knowing(lambda conditioning: conditioning.view(-1, 1, 1, 1), kind)
    list(given.invert(state, mean, np.zeros_like(mean), IDS[:3], predict, ALPHAS, **settings))
    np.testing.assert_allclose(state.embeddings.ravel(), truth.ravel(), atol=0.01)
    assert state.losses[:, -1].max() < 1e-4 < state.losses[:, 0].min()

    known = inversion.begin(truth.numpy().reshape(3, 1, 1), visits=50)
    settings = {**settings, "visits": 50, "lr": 1e-12}
    list(given.invert(known, mean, np.zeros_like(mean), IDS[:3], predict, ALPHAS, **settings))
    np.testing.assert_allclose(known.losses, 0, atol=1e-9)


def test_the_loss_traced_is_the_mean_of_a_parts_visits():
    """A denoiser that says zero leaves the mean square of the noise: 1, within what so many values leave open."""
    mean, std = moments(shape=(4, 16, 16))

    def predict(latents, timesteps, conditioning):
        return torch.zeros_like(latents) + 0 * conditioning.sum()

    state = inversion.begin(start(), visits=200)
    list(given.invert(state, mean, std, IDS, predict, ALPHAS, **{**SETTINGS, "visits": 200}))
    assert state.losses.shape == (5, 50)
    assert state.losses.mean() == pytest.approx(1, abs=0.01)
    assert state.losses.std() == pytest.approx((2 / (4 * 1024)) ** 0.5, rel=0.2)


def visited(timesteps, visits=64, image_ids=IDS, **changes):
    """The timesteps that each image visits, (visits, n)."""
    seen = []

    def predict(latents, t, conditioning):
        seen.append(t.numpy().copy())
        return torch.zeros_like(latents) + 0 * conditioning.sum()

    mean, std = moments(len(image_ids), (1, 2, 2))
    state = inversion.begin(np.zeros((len(image_ids), 1, 1), np.float32), visits)
    settings = {**SETTINGS, "visits": visits, "timesteps": timesteps, **changes}
    list(given.invert(state, mean, std, image_ids, predict, ALPHAS, **settings))
    return np.array(seen)


def test_uniform_timesteps_reach_all_of_time_evenly():
    seen = visited("uniform", visits=400)
    assert (seen.min(), seen.max()) == (0, 99)
    assert np.bincount(seen.ravel() // 10, minlength=10) == pytest.approx(np.full(10, 200), abs=60)  # 4.5 sigma


def test_stratified_timesteps_visit_each_part_of_time_once_in_every_cycle():
    seen = visited("stratified")
    edges = np.arange(17) * len(ALPHAS) / 16
    for cycle in seen.reshape(4, 16, len(IDS)):
        for image in cycle.T:
            in_order = np.sort(image)
            assert (np.floor(edges[:-1]) <= in_order).all()
            assert (in_order <= np.floor(edges[1:])).all()
    assert len({tuple(image) for image in seen.T}) == len(IDS)
    assert len({tuple(cycle[:, 0]) for cycle in seen.reshape(4, 16, len(IDS))}) == 4  # in an order of its own


def test_stratified_timesteps_are_drawn_anywhere_within_their_part():
    seen = visited("stratified", visits=960)
    assert len(np.unique(seen)) == len(ALPHAS), "every timestep is visited, not one of each part"
    assert np.bincount(seen.ravel(), minlength=100) == pytest.approx(np.full(100, 48), abs=36)  # 5 sigma


def test_images_and_seeds_draw_their_own_timesteps_whatever_the_batch():
    seen = visited("uniform")
    assert len({tuple(image) for image in seen.T}) == len(IDS)
    np.testing.assert_array_equal(visited("uniform", image_ids=IDS[2:3])[:, 0], seen[:, 2])
    assert (visited("uniform", seed=1) != seen).mean() > 0.9


def test_random_starts_are_uniform_and_belong_to_the_image():
    values = inversion.random_start(np.arange(200), num_tokens=5, width=16, scale=0.1, seed=0)
    assert (values.shape, values.dtype) == ((200, 5, 16), np.float32)
    assert np.abs(values).max() <= 0.1
    assert values.std() == pytest.approx(0.1 / 3**0.5, rel=0.02)
    np.testing.assert_array_equal(inversion.random_start(np.array([42]), 5, 16, 0.1, 0)[0], values[42])


def test_all_is_finite_with_one_visit_and_at_the_largest_learning_rate(unet):
    for changes in ({"visits": 1}, {"visits": 3, "lr": 10.0}, {"visits": 2, "batch_size": 1000}):
        state = run(unet, **changes)
        assert np.isfinite(state.embeddings).all()
        assert np.isfinite(state.losses).all()
        assert state.losses.shape == (5, changes["visits"])


def test_the_start_given_is_not_changed():
    given = start()
    before = given.copy()
    inversion.begin(given, 10).embeddings[:] = 0
    np.testing.assert_array_equal(given, before)


def at_rest(arguments, **changes):
    """The command line of an inversion that hardly moves from where it starts."""
    options = arguments.index("--options") + 1
    still = {"steps_per_image": 1, "lr": 1e-12, "weight_decay": 0.0, **changes}
    return [*arguments[:options], json.dumps(json.loads(arguments[options]) | still), *arguments[options + 1 :]]


def test_an_embedding_starts_at_the_prompt_of_its_class_or_of_its_own_looks(
    tmp_path, base_model, invert_arguments, run_step
):
    texts = captions.looks(shards.read(tmp_path / "images.h5", "images")["images"], "one")
    assert len(set(texts)) == 3
    for name, prompts in (("prompt", ["a one"] * 3), ("looks", texts)):
        out = tmp_path / f"{name}.h5"
        run_step("scripts.inversion_invert", *at_rest(invert_arguments(out), start=name))
        expected = prompting.embed(base_model, prompts, CPU)[:, :2].numpy()
        np.testing.assert_allclose(shards.read(out, "embeddings")["embeddings"], expected, atol=1e-6)


def test_looks_of_other_images_are_refused(tmp_path, invert_arguments, run_step):
    images = shards.read(tmp_path / "images.h5", "images")
    others = {**images.arrays, "image_ids": images["image_ids"] + 1}
    shards.write(tmp_path / "images.h5", "images", others, {"step": "test"})
    with pytest.raises(ValueError, match=r"moments.h5: must be of the images of .*images.h5, in their order"):
        run_step("scripts.inversion_invert", *at_rest(invert_arguments(tmp_path / "never.h5"), start="looks"))
    assert not (tmp_path / "never.h5").exists()
