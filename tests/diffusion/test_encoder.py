"""realgap.diffusion.encoder, and the steps of an amortised inversion: an encoder, then few steps for the rest."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV

from realgap.base_model import denoiser, schedules
from realgap.diffusion import encoder, inversion
from realgap.store import shards
from tests import given

CPU = torch.device("cpu")
CLASSES = (3, 5, 8)
SHAPE = (2, 4, 4)
OPTIONS = {
    "steps_per_image": 3,
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


def world(n, noise=0.0, seed=0):
    """Images whose embeddings are a class's own, and a linear function of their latents; those of one world go on."""
    random, truth = np.random.default_rng(seed), np.random.default_rng(7)
    slope, own = truth.standard_normal((32, 3 * 5)), truth.standard_normal((9, 3 * 5))
    mean = 4 * random.standard_normal((n, *SHAPE)).astype(np.float32) + 1
    labels = random.choice(CLASSES, n)
    embeddings = own[labels] + 0.1 * mean.reshape(n, -1) @ slope + noise * random.standard_normal((n, 15))
    return mean, labels, embeddings.reshape(n, 3, 5).astype(np.float32)


def test_a_planted_linear_world_is_found():
    fitted = encoder.fit(*world(600, noise=0.05))
    mean, labels, truth = world(200, seed=1)
    assert np.abs(encoder.predict(fitted.encoder, mean, labels) - truth).max() < 0.1
    assert fitted.explained == pytest.approx(1 - 0.05**2 / world(600)[2].var(axis=0).mean(), abs=2e-3)
    assert fitted.encoder.labels.tolist() == list(CLASSES)


def test_embeddings_that_are_noise_alone_are_predicted_by_their_mean():
    random = np.random.default_rng(0)
    mean, labels, _ = world(60)
    fitted = encoder.fit(mean, labels, 2 + random.standard_normal((60, 3, 5)).astype(np.float32))
    assert np.abs(encoder.predict(fitted.encoder, mean, labels) - 2).max() < 1
    assert fitted.explained < 0.05


def features(mean, labels, scale):
    return np.hstack([scale * mean.reshape(len(mean), -1), 10.0 * (labels[:, None] == np.array(CLASSES))])


@pytest.mark.parametrize("n", [20, 300], ids=["fewer images than features", "more"])
def test_it_agrees_with_scikit_learns_ridge_and_its_choice_of_the_penalty(n):
    mean, labels, embeddings = world(n, noise=1.0)
    fitted, target = encoder.fit(mean, labels, embeddings), embeddings.reshape(n, -1).astype(float)
    flat = mean.reshape(n, -1).astype(float)
    scale = 1 / (flat - flat.mean(axis=0)).std()
    chosen = RidgeCV(encoder.PENALTIES).fit(features(mean, labels, scale), target).alpha_
    assert fitted.penalty == chosen
    assert encoder.PENALTIES[0] < chosen < encoder.PENALTIES[-1]
    theirs = Ridge(chosen).fit(features(mean, labels, scale), target)
    new, of, _ = world(50, seed=2)
    expected = theirs.predict(features(new, of, scale)).reshape(50, 3, 5)
    np.testing.assert_allclose(encoder.predict(fitted.encoder, new, of), expected, atol=2e-5)


def test_the_error_it_chooses_by_is_that_of_images_really_left_out():
    mean, labels, embeddings = world(20, noise=1.0)
    seen, target = features(mean, labels, 0.25), embeddings.reshape(20, -1).astype(float)
    _, penalty, error = encoder.ridge(seen - seen.mean(axis=0), target - target.mean(axis=0))
    errors = []
    for row in range(20):
        others = np.arange(20) != row
        predicted = Ridge(penalty).fit(seen[others], target[others]).predict(seen[row : row + 1])
        errors.append(np.square(predicted - target[row]).mean())
    assert error == pytest.approx(np.mean(errors), rel=1e-6)


def test_a_prediction_has_the_same_bits_whichever_other_images_are_there():
    fitted = encoder.fit(*world(100, noise=0.1)).encoder
    mean, labels, _ = world(40, seed=1)
    together = encoder.predict(fitted, mean, labels)
    for rows in (slice(0, 1), slice(17, 18), slice(3, 30)):
        np.testing.assert_array_equal(encoder.predict(fitted, mean[rows], labels[rows]), together[rows])


def test_one_image_of_each_class_is_enough_for_their_embeddings():
    mean, labels, embeddings = world(3)
    labels = np.array(CLASSES)
    fitted = encoder.fit(mean, labels, embeddings)
    assert np.isfinite(fitted.encoder.weights).all()
    assert np.isfinite(encoder.predict(fitted.encoder, *world(9, seed=1)[:2])).all()


def test_latents_of_another_size_and_a_new_class_are_one_line():
    fitted = encoder.fit(*world(30)).encoder
    with pytest.raises(ValueError, match="encoder: must be of latents of 8 numbers, is of 32"):
        encoder.predict(fitted, np.zeros((1, 2, 2, 2), np.float32), np.array([3]))
    with pytest.raises(ValueError, match="encoder: must know all classes, label 4 is new to it"):
        encoder.predict(fitted, np.zeros((1, *SHAPE), np.float32), np.array([4]))


# --- the steps ----------------------------------------------------------------------------------------------------

IDS = np.array([21, 4, 9, 2, 30, 17])
FIRST = 3  # of the class's images


@pytest.fixture
def study(tmp_path):
    """The moments of six images of a class in shards of any size, and the embeddings of the first three."""
    random = np.random.default_rng(0)
    mean, std = random.standard_normal((6, 4, 8, 8), np.float32), np.full((6, 4, 8, 8), 0.1, np.float32)
    found = {
        "embeddings": random.standard_normal((FIRST, 2, 8), np.float32),
        "losses": random.random((FIRST, 5), np.float32),
        "visits": np.full(FIRST, 60, np.int32),
    }

    def shard(folder, size, failed=()):
        for number, start in enumerate(range(0, 6, size)):
            rows = slice(start, min(start + size, 6))
            about = {"labels": np.zeros(6, np.int64)[rows], "image_ids": IDS[rows]}
            made = {"step": "test", "class_labels": {"zero": 0}}
            arrays = {"mean": mean[rows], "std": std[rows], **about}
            shards.write(tmp_path / folder / f"moments-{number}.h5", "moments", arrays, made)
            kept = [row for row in range(start, min(rows.stop, FIRST)) if IDS[row] not in failed]
            if start < FIRST:
                arrays = {name: array[kept] for name, array in found.items()}
                arrays |= {"labels": np.zeros(len(kept), np.int64), "image_ids": IDS[kept]}
                lost = [one for one in failed if one in IDS[rows]]
                shards.write(tmp_path / folder / f"first-{number}.h5", "embeddings", arrays, {**made, "failed": lost})
        return tmp_path / folder

    return shard


@pytest.fixture
def amortise(run_step, base_model):
    """Runs both steps on a folder of shards; the embeddings of all shards one after another."""

    def run(folder, fit=True, **changes):
        firsts, moments = (sorted(folder.glob(f"{name}-*.h5")) for name in ("first", "moments"))
        if fit:
            files = ("--moments", *moments[: len(firsts)], "--embeddings", *firsts, "--out", folder / "encoder.h5")
            run_step("scripts.inversion_fit_encoder", *files)
        before, parts = FIRST, []
        for number, path in enumerate(moments):
            images = len(shards.read(path, "moments"))
            options, before = {**OPTIONS, **changes, "first": min(before, images)}, max(0, before - images)
            of_shard = [folder / f"first-{number}.h5"] if options["first"] else []
            files = ("--moments", path, "--encoder", folder / "encoder.h5", "--first", *of_shard)
            model = ("--base-model", base_model / "model_index.json", "--options", json.dumps(options))
            out = folder / f"out-{number}.h5"
            run_step("scripts.inversion_invert_rest", *files, *model, "--out", out)
            parts.append(shards.read(out, "embeddings"))
        names = ("embeddings", "visits", "image_ids")
        return {name: np.concatenate([part[name] for part in parts]) for name in names}, parts

    return run


def start_of_rest(folder):
    fitted = shards.read(folder / "encoder.h5", "encoder")
    whole = encoder.Encoder(fitted["weights"], np.array(fitted.attributes["labels"]))
    moments = [shards.read(path, "moments") for path in sorted(folder.glob("moments-*.h5"))]
    mean, std = (np.concatenate([one[name] for one in moments])[FIRST:] for name in ("mean", "std"))
    return encoder.predict(whole, mean, np.zeros(3, np.int64)), mean, std


def test_the_first_images_keep_their_embeddings_and_the_rest_are_a_plain_inversion_from_the_prediction(
    study, amortise, base_model
):
    folder = study("whole", size=6)
    made, (shard,) = amortise(folder)
    np.testing.assert_array_equal(made["image_ids"], IDS)
    np.testing.assert_array_equal(made["visits"], [60] * 3 + [3] * 3)
    before = shards.read(folder / "first-0.h5", "embeddings")
    np.testing.assert_array_equal(made["embeddings"][:FIRST], before["embeddings"])
    assert shard["losses"].shape == (6, 5)
    assert np.isnan(shard["losses"][FIRST:, 3:]).all()
    assert np.isfinite(shard["losses"][FIRST:, :3]).all()

    start, mean, std = start_of_rest(folder)
    alphas_cumprod, prediction_type = schedules.noise(base_model)
    settings = {key: OPTIONS[key] for key in ("lr", "lr_schedule", "weight_decay", "timesteps", "batch_size", "seed")}
    state = inversion.begin(start, 3)
    predict = denoiser.predictor(denoiser.load(base_model, CPU, torch.float32))
    scaling = json.loads((base_model / "vae/config.json").read_text())["scaling_factor"]
    about = {"prediction_type": prediction_type, "scaling_factor": scaling, "visits": 3, "device": CPU}
    list(given.invert(state, mean, std, IDS[FIRST:], predict, alphas_cumprod, **settings, **about))
    np.testing.assert_allclose(made["embeddings"][FIRST:], state.embeddings, atol=1e-6)
    assert np.abs(state.embeddings - start).max() > 0.01


def test_no_steps_keep_the_prediction(study, amortise):
    folder = study("whole", size=6)
    made, _ = amortise(folder, steps_per_image=0)
    np.testing.assert_array_equal(made["embeddings"][FIRST:], start_of_rest(folder)[0])
    np.testing.assert_array_equal(made["visits"], [60] * 3 + [0] * 3)


def test_an_embedding_is_the_same_in_any_shard_and_batch(study, amortise):
    """Shards of one image, of the first ones alone, with both kinds in one, and of the rest alone."""
    expected, _ = amortise(study("whole", size=6))
    for size in (1, 2, 3, 4):
        folder = study(f"of {size}", size)
        made, _ = amortise(folder, batch_size=size)
        np.testing.assert_array_equal(made["image_ids"], expected["image_ids"])
        np.testing.assert_array_equal(made["visits"], expected["visits"])
        np.testing.assert_allclose(made["embeddings"], expected["embeddings"], atol=1e-5)
        # where there are no steps, not even float tolerance is needed
        made, _ = amortise(folder, steps_per_image=0)
        np.testing.assert_array_equal(made["embeddings"][FIRST:], start_of_rest(folder.parent / "whole")[0])


def test_an_image_that_failed_before_is_left_out_everywhere_and_is_none_of_the_rest(study, amortise):
    made, parts = amortise(study("failed", size=2, failed=[4]))
    np.testing.assert_array_equal(made["image_ids"], IDS[IDS != 4])
    assert [part.attributes["failed"] for part in parts] == [[4], [], []]


def test_the_encoder_says_what_it_was_made_of_and_is_refused_when_it_is_damaged(study, amortise):
    folder = study("whole", size=6)
    amortise(folder)
    path = folder / "encoder.h5"
    made = shards.read(path, "encoder").attributes
    assert made["inputs"] == {
        "moments": shards.checksum(folder / "moments-0.h5"),
        "embeddings": shards.checksum(folder / "first-0.h5"),
    }
    assert (made["labels"], made["classes"], made["images"]) == ([0], {"zero": 0}, FIRST)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"encoder.h5: its content does not match its checksum; delete it and run"):
        amortise(folder, fit=False)


def test_embeddings_of_other_images_than_the_moments_are_one_line(study, run_step):
    folder, other = study("whole", size=6), study("other", size=1)
    with pytest.raises(ValueError, match=r"first-0.h5: must be of images of .*moments-2.h5; got image 4"):
        run_step(
            "scripts.inversion_fit_encoder",
            *("--moments", other / "moments-2.h5", "--embeddings", folder / "first-0.h5", "--out", folder / "never.h5"),
        )
    assert not (folder / "never.h5").exists()
