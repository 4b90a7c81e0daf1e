"""The steps of a selection: judges that have not seen an image, scores by the right judge, one image of each slot."""

import json

import numpy as np
import pytest
import torch

from realgap.classifier import networks, storage, training
from realgap.data import training_sets
from realgap.store import shards
from scripts import classifier_train
from tests import given

CLASSIFIER = {"architecture": "resnet20", "stem": "auto", "steps": 2, "batch_size": 4, "lr": 0.05, "warmup": 0.0}
CLASSIFIER |= {"momentum": 0.9, "weight_decay": 0.0, "label_smoothing": 0.0, "crop_padding": 0}
CLASSIFIER |= {"horizontal_flip": False, "epochs": None, "augmentation": [], "real_share": 1.0, "seed": 0}
SCORING = {"source": "many", "layer": "layer2", "method": "grad_cam", "geometry": False, "batch_size": 8}
SELECTING = {"source": "kept", "of": "many", "candidates": 2, "criteria": {"utility": 1.0}, "shuffled": False}
SELECTING |= {"entropy_band": [0.0, 1.0], "control_quantile": 0.95, "seed": 0}


@pytest.fixture
def real(images_shard):
    """Two shards of real images of class 0 and one of class 1, 16 px."""
    return [
        images_shard("real-a.h5", n=4, label=0, first_id=0, size=16),
        images_shard("real-b.h5", n=3, label=0, first_id=4, size=16),
        images_shard("real-c.h5", n=5, label=1, first_id=7, size=16),
    ]


def train(run_step, real, out, fold):
    options = json.dumps({**given.COMPUTE, **CLASSIFIER, "folds": 2, "fold": fold})
    run_step("scripts.selection_train", "--shards", *real, "--options", options, "--out", out)
    return storage.classifier(out)[1]


def test_judges_leave_out_each_image_once_and_are_trained_on_all_others(real, run_step, tmp_path, monkeypatch):
    fitted, fit = [], classifier_train.fit
    monkeypatch.setattr(classifier_train, "fit", lambda data, *a, **k: fitted.append(data) or fit(data, *a, **k))
    made = [train(run_step, real, tmp_path / f"{fold}.safetensors", fold) for fold in (0, 1)]
    held_out = [set(one["held_out"]) for one in made]
    assert held_out[0] | held_out[1] == set(range(12))
    assert not held_out[0] & held_out[1]
    for data, left_out in zip(fitted, held_out, strict=True):
        assert set(data["image_ids"].tolist()) == set(range(12)) - left_out
        assert set(data["labels"].tolist()) == {0, 1}
    turned = train(run_step, real[::-1], tmp_path / "turned.safetensors", 0)
    assert set(turned["held_out"]) == held_out[0]


def judge(path, answer, held_out):
    """A classifier that always says one of two classes."""
    model = networks.initialise(networks.build("resnet20", 2, 16), 0)
    with torch.no_grad():
        last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
        last.bias.copy_(torch.tensor([9.0, -9.0] if answer == 0 else [-9.0, 9.0]))
    made = {"options": {"architecture": "resnet20", "stem": "auto"}, "classes": [0, 1], "image_size": 16}
    storage.save(path, model.state_dict(), {**made, "held_out": held_out})
    return path


def candidates(path, ids, per_image=4, label=0, seed=5):
    n = len(ids) * per_image
    arrays = {
        "images": np.random.default_rng(seed).integers(0, 256, (n, 16, 16, 3), np.uint8),
        "labels": np.full(n, label, np.int64),
        "image_ids": np.repeat(np.array(ids, np.int64), per_image),
        "variants": np.tile(np.arange(per_image, dtype=np.int32), len(ids)),
    }
    shards.write(path, "images", arrays, {"step": "test", "source": "many"})
    return path


def test_each_candidate_is_judged_by_who_has_not_seen_its_image(real, run_step, tmp_path):
    judges = [judge(tmp_path / "a", 0, [0, 2, 5]), judge(tmp_path / "b", 1, [1, 3, 4, 6])]
    made = candidates(tmp_path / "many.h5", [0, 1, 2, 3, -8])
    arguments = ["--images", made, "--real", *real[:2], "--judges", *judges, "--out", tmp_path / "scores.h5"]
    run_step("scripts.selection_score", *arguments, "--options", json.dumps({**given.COMPUTE, **SCORING}))
    found = shards.read(tmp_path / "scores.h5", "scores")
    said = dict(zip(found["image_ids"].tolist(), found["logits"].argmax(axis=1).tolist(), strict=True))
    assert said == {0: 0, 1: 1, 2: 0, 3: 1, -8: 0}
    wrong = found["logits"].argmax(axis=1) != 0
    assert np.isneginf(found["attention"][wrong]).all()
    assert np.isnan(found["measures"]).all()
    assert found.attributes["real_right"] == 3
    # whoever judges, features are of one network: else distances would compare two
    np.testing.assert_array_equal(found["variants"], np.tile(np.arange(4), 5))


def scored(path, images, logits, seed=0):
    """A shard of scores as the step writes it, of the candidates in a shard of images."""
    of = shards.read(images, "images")
    n, rng = len(of), np.random.default_rng(seed)
    arrays = {"logits": logits.astype(np.float32), "features": rng.normal(size=(n, 3)).astype(np.float32)}
    arrays |= {"attention": rng.normal(size=n), "typicality": rng.normal(size=n)}
    arrays |= {"measures": np.full((n, 3), np.nan, np.float32)}
    arrays |= {name: of[name] for name in ("labels", "image_ids", "variants")}
    about = {"step": "test", "classes": [0, 1], "controls": []}
    shards.write(path, "scores", arrays, about)
    return path


def select(run_step, images, scores, out, **changes):
    options = json.dumps({**SELECTING, **changes})
    run_step("scripts.selection_select", "--images", images, "--scores", *scores, "--options", options, "--out", out)
    return shards.read(out, "images")


def test_the_kept_images_are_candidates_one_of_each_slot(run_step, tmp_path):
    images = candidates(tmp_path / "many.h5", [6, 2])
    logits = np.random.default_rng(1).normal(size=(8, 2)) + [3, 0]
    logits[5] = [0, 1]  # a wrong label, of the highest entropy in its slot
    kept = select(run_step, images, [scored(tmp_path / "scores.h5", images, logits)], tmp_path / "kept.h5")
    assert list(zip(kept["image_ids"], kept["variants"], strict=True)) == [(6, 0), (6, 1), (2, 0), (2, 1)]
    of, margin = shards.read(images, "images"), np.abs(logits[:, 0] - logits[:, 1])
    margin[5] = np.inf
    for slot in range(4):
        best = 2 * slot + int(np.argmin(margin[2 * slot : 2 * slot + 2]))
        np.testing.assert_array_equal(kept["images"][slot], of["images"][best])
        assert kept.attributes["kept"][slot] == of["variants"][best]
    assert kept.attributes["refused"] == {"utility": 0}


def test_a_shards_choice_is_that_of_the_whole_class(run_step, tmp_path):
    """Coverage looks at what is chosen of other shards too."""
    parts = [candidates(tmp_path / f"{n}.h5", ids, seed=n) for n, ids in enumerate([[6, 2, 9], [4, 1]])]
    whole = candidates(tmp_path / "whole.h5", [6, 2, 9, 4, 1])
    weights = {"criteria": {"coverage": 1.0, "typicality": 0.5}}
    scores = [
        scored(tmp_path / f"scores-{n}.h5", path, np.zeros((20, 2))[: 12 if n == 0 else 8], n)
        for n, path in enumerate(parts)
    ]
    joined = {
        name: np.concatenate([shards.read(one, "scores")[name] for one in scores]) for name in shards.LAYOUT["scores"]
    }
    shards.write(tmp_path / "joined.h5", "scores", joined, {"step": "test", "classes": [0, 1], "controls": []})
    at_once = select(run_step, whole, [tmp_path / "joined.h5"], tmp_path / "kept.h5", **weights)
    apart = [select(run_step, path, scores, tmp_path / f"kept-{n}.h5", **weights) for n, path in enumerate(parts)]
    for name in ("image_ids", "variants"):
        np.testing.assert_array_equal(np.concatenate([one[name] for one in apart]), at_once[name])
    assert sum((one.attributes["kept"] for one in apart), []) == at_once.attributes["kept"]


def test_of_real_images_a_shard_holds_its_slots_whatever_shard_the_chosen_ones_lie_in(real, run_step, tmp_path):
    logits = {0: np.tile([0.0, 0.0], (4, 1)), 1: np.tile([9.0, 0.0], (3, 1))}  # hard ones in the first shard alone
    scores = [scored(tmp_path / f"scores-{n}.h5", path, logits[n]) for n, path in enumerate(real[:2])]
    choice = {"of": "real", "candidates": 5, "per_image": 6}
    kept = []
    for number, own in enumerate(real[:2]):
        options = json.dumps({**SELECTING, **choice})
        arguments = ["--images", own, "--pool", *real[:2], "--scores", *scores, "--options", options]
        run_step("scripts.selection_select", *arguments, "--out", tmp_path / f"kept-{number}.h5")
        kept.append(shards.read(tmp_path / f"kept-{number}.h5", "images"))
    assert [len(one) for one in kept] == [24, 18]
    pixels = {
        image_id: image
        for one in shards.read_all(real[:2], "images")
        for image_id, image in zip(one["image_ids"].tolist(), one["images"], strict=True)
    }
    for one in kept:
        assert set(one["image_ids"].tolist()) == {0, 1, 2, 3}  # five of seven hold a hard one
        for image_id, image in zip(one["image_ids"].tolist(), one["images"], strict=True):
            np.testing.assert_array_equal(image, pixels[image_id])
    keys = [key for one in kept for key in zip(one["image_ids"].tolist(), one["variants"].tolist(), strict=True)]
    assert len(set(keys)) == 42
    assert all(label == 0 for one in kept for label in one["labels"])


# of a draw of real images


def drawn(real, per_class, draw):
    return set(training_sets.drawn(shards.read_all(real, "images"), per_class, draw, 0).tolist())


def test_the_judges_of_a_draw_know_no_image_outside_of_it(real, run_step, tmp_path, monkeypatch):
    fitted, fit = [], classifier_train.fit
    monkeypatch.setattr(classifier_train, "fit", lambda data, *a, **k: fitted.append(data) or fit(data, *a, **k))
    own, held_out = drawn(real, 4, draw=3), []
    for fold in (0, 1):
        options = {**given.COMPUTE, **CLASSIFIER, "folds": 2, "fold": fold, "per_class": 4, "draw": 3}
        arguments = ["--shards", *real, "--options", json.dumps(options), "--out", tmp_path / f"{fold}"]
        run_step("scripts.learning_curves_judge", *arguments)
        held_out.append(set(storage.classifier(tmp_path / f"{fold}")[1]["held_out"]))
        assert set(fitted[-1]["image_ids"].tolist()) == own - held_out[-1]
    assert len(own) == 8
    assert held_out[0] | held_out[1] == own
    assert not held_out[0] & held_out[1]


def test_of_a_draw_one_candidate_is_kept_for_each_of_its_images_and_none_for_others(real, run_step, tmp_path):
    judges = [judge(tmp_path / "a", 0, list(range(12))), judge(tmp_path / "b", 1, [])]
    images = [
        candidates(tmp_path / "many-0.h5", range(7), label=0, seed=1),
        candidates(tmp_path / "many-1.h5", range(7, 12), label=1, seed=2),
    ]
    choice = {"of": "many", "candidates": 4, "criteria": {"typicality": 1.0}, "shuffled": False}
    options = {**given.COMPUTE, **SCORING, **SELECTING, **choice, "per_class": 3, "draw": 1}
    arguments = ["--real", *real, "--images", *images, "--judges", *judges, "--options", json.dumps(options)]
    run_step("scripts.learning_curves_select", *arguments, "--out", tmp_path / "kept.h5")
    kept = shards.read(tmp_path / "kept.h5", "images")
    own = drawn(real, 3, draw=1)
    assert sorted(kept["image_ids"].tolist()) == sorted(own)
    assert set(kept["variants"].tolist()) == {0}
    model = storage.classifier(tmp_path / "a")[0]
    read = [shards.read(path, "images") for path in (*real, *images)]
    features = [penultimate(model, one["images"]) for one in read]
    for label, of_real, of_images in ((0, (0, 1), 3), (1, (2,), 4)):
        seen = [features[n][[i in own for i in read[n]["image_ids"].tolist()]] for n in of_real]
        far = np.linalg.norm(features[of_images] - np.concatenate(seen).mean(axis=0), axis=1)
        for image_id in own & set(read[of_images]["image_ids"].tolist()):
            rows = np.flatnonzero(read[of_images]["image_ids"] == image_id)
            (row,) = np.flatnonzero(kept["image_ids"] == image_id)
            best = read[of_images]["images"][rows[np.argmin(far[rows])]]
            np.testing.assert_array_equal(kept["images"][row], best)
            assert kept["labels"][row] == label


def penultimate(model, images):
    """Input of the last linear layer, written out."""
    held = []
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    handle = last.register_forward_hook(lambda _module, inputs, _output: held.append(inputs[0]))
    with torch.no_grad():
        model(training.to_pixel_values(torch.from_numpy(images)))
    handle.remove()
    return held[0].numpy()


def test_of_a_draw_real_images_are_chosen_among_its_own_alone(real, run_step, tmp_path):
    judges = [judge(tmp_path / "a", 0, list(range(12))), judge(tmp_path / "b", 1, [])]
    choice = {"of": "real", "candidates": 3, "criteria": {"typicality": 1.0}, "shuffled": False, "per_image": 5}
    options = {**given.COMPUTE, **SCORING, **SELECTING, **choice, "per_class": 4, "draw": 1}
    arguments = ["--real", *real, "--images", *real, "--judges", *judges, "--options", json.dumps(options)]
    run_step("scripts.learning_curves_select", *arguments, "--out", tmp_path / "kept.h5")
    kept = shards.read(tmp_path / "kept.h5", "images")
    assert set(kept["image_ids"].tolist()) <= drawn(real, 4, draw=1)
    assert np.bincount(kept["labels"]).tolist() == [20, 20]
    keys = list(zip(kept["image_ids"].tolist(), kept["variants"].tolist(), strict=True))
    assert len(set(keys)) == len(keys)
