"""The steps of a release: what leaves is the mechanism's, entered in the ledger, and nothing else of the images."""

import json
import stat
import zipfile

import numpy as np
import pytest
import torch

from realgap.base_model import prompting
from realgap.classifier import networks, storage
from realgap.diffusion import conditioning
from realgap.privacy import accounting, ledger, mechanism
from realgap.store import shards
from tests import given

CLASSES = {"one": 1, "two": 5}
SETTINGS = {"study": "private", "source": "mild", "classes": CLASSES, "words": {name: name for name in CLASSES}}
SETTINGS |= {"num_tokens": 2, "count": 3, "epsilon": 3.0, "delta": 1e-5, "neighbours": "replace_one", "clip": 0.5}
SETTINGS |= {"directions": None, "spread": "none", "budget": 3.0, "plan": "p", **given.COMPUTE}
INVERTED = {"start": "prompt", "early_stopping_patience": None}


@pytest.fixture
def starts(base_model):
    embedded = prompting.embed(base_model, [f"a {name}" for name in CLASSES], torch.device("cpu"))[:, :2].numpy()
    return dict(zip(CLASSES, embedded, strict=True))


@pytest.fixture
def invented(tmp_path, starts):
    """Writes embeddings of 3 images of each class: invented(1.0, odd=None) -> files; odd: what image 0 of "one" is."""

    def write(size=1.0, odd=None, folder="embeddings", **options):
        paths = []
        for name, label in CLASSES.items():
            moved = size * np.random.default_rng(label).standard_normal((3, 2, 8))
            if odd is not None and name == "one":
                moved[0] = odd
            arrays = {
                "embeddings": (starts[name] + moved).astype(np.float32),
                "losses": np.full((3, 4), 0.5, np.float32),
                "visits": np.full(3, 6, np.int32),
                "labels": np.full(3, label, np.int64),
                "image_ids": np.array([7, 3, 9]) + 100 * label,
            }
            paths.append(tmp_path / folder / name / "0.h5")
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
            made = {"options": {**INVERTED, "class_name": name, **options}, "failed": [4], "class_labels": CLASSES}
            shards.write(paths[-1], "embeddings", arrays, {"step": "invert", **made})
        return paths

    return write


@pytest.fixture
def release(tmp_path, base_model, run_step):
    (tmp_path / "templates.txt").write_text("a {}\n")
    (tmp_path / "images.json").write_text('["digits"]')

    def run(embeddings, out="released.h5", basis=(), **changes):
        files = ("templates", "templates.txt"), ("images", "images.json"), ("ledgers", "privacy"), ("out", out)
        named = [text for name, path in files for text in (f"--{name}", tmp_path / path)]
        options = json.dumps({**SETTINGS, **changes})
        common = ["--base-model", base_model / "model_index.json", "--secret", tmp_path / "privacy/secret"]
        run_step("scripts.privacy_release", "--embeddings", *embeddings, "--basis", *basis, *common, *named,
                 "--options", options)  # fmt: skip
        return shards.read(tmp_path / out, "release")

    return run


def moved(released, starts):
    """What each class's embedding was moved by, float64 (2, 16)."""
    return (released["embeddings"] - np.stack([starts[name] for name in CLASSES])).reshape(2, -1).astype(np.float64)


def test_without_noise_it_is_the_mean_of_what_was_clipped_and_no_guarantee(invented, release, starts, tmp_path):
    released = release(invented(), epsilon=None, budget=None)
    for row, (name, label) in enumerate(CLASSES.items()):
        differences = np.random.default_rng(label).standard_normal((3, 16))
        expected = (differences / np.linalg.norm(differences, axis=1, keepdims=True) * 0.5).sum(axis=0) / 3
        np.testing.assert_allclose(moved(released, starts)[row], expected, atol=1e-6, err_msg=name)
    assert released["labels"].tolist() == [1, 5]
    assert released.attributes["guarantee"] is None
    assert not (tmp_path / "privacy").exists()


def test_the_noise_is_that_of_the_guarantee_and_another_one_for_each_class(invented, release, starts):
    drawn = []
    for clip in (0.5, 5.0, 50.0, 500.0):  # each is a release of its own
        released = release(invented(size=1e-9), clip=clip, budget=900.0)
        scale = accounting.multiplier(3.0, 1e-5) * 2 * clip / 3
        assert released.attributes["guarantee"]["noise_std_of_sum"] == pytest.approx(3 * scale)
        drawn.append(moved(released, starts) / scale)
    drawn = np.stack(drawn)
    assert np.std(drawn) == pytest.approx(1.0, abs=0.25)
    assert abs(np.corrcoef(drawn.reshape(8, 16)) - np.eye(8)).max() < 0.8


def test_made_again_it_is_the_same_file_and_one_entry_in_the_ledger(invented, release, tmp_path):
    release(invented())
    release(invented(), out="again.h5")
    assert (tmp_path / "released.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()
    known = ledger.read(ledger.found(tmp_path / "privacy", ["digits"]))
    assert [(one.study, one.source, one.plan) for one in known.releases] == [("private", "mild", "p")]
    assert known.spent() == pytest.approx(3.0)
    assert stat.S_IMODE((tmp_path / "privacy/secret").stat().st_mode) == 0o600


def test_of_a_neighbouring_data_set_noise_is_another_and_all_else_is_the_same(invented, release, starts):
    first, other = release(invented(), budget=9.0), release(invented(odd=np.full((2, 8), 30.0)), budget=9.0)
    assert {**first.attributes, "checksum": 0} == {**other.attributes, "checksum": 0}
    for name in ("spread", "labels"):
        np.testing.assert_array_equal(first[name], other[name])
    # with shared noise the difference would be the two images': at most 2 * clip / count long, and zero of class two
    apart = np.linalg.norm(moved(first, starts) - moved(other, starts), axis=1)
    assert (apart > 4 * mechanism.sensitivity(0.5, "replace_one") / 3).all()


def test_nothing_in_the_file_is_of_the_images_but_the_released_embeddings(invented, release):
    released = release(invented())
    assert "inputs" not in released.attributes
    assert "failed" not in released.attributes
    assert set(released.arrays) == {"embeddings", "spread", "labels"}
    assert not released["spread"].any()


def test_beyond_the_budget_nothing_is_written(invented, release, tmp_path):
    release(invented())
    with pytest.raises(ValueError, match="^config: privacy.epsilon: mild must not be released: of 3 at delta 1e-05 3 "):
        release(invented(size=2.0), out="more.h5")
    assert not (tmp_path / "more.h5").exists()


@pytest.mark.parametrize("options", [{"start": "looks"}, {"early_stopping_patience": 2}])
def test_embeddings_that_have_seen_more_than_their_image_are_refused(invented, release, tmp_path, options):
    with pytest.raises(ValueError, match="must be of images that were inverted one by one from their prompt, is not"):
        release(invented(**options))
    assert not (tmp_path / "privacy").exists()


def test_on_a_basis_of_public_images_noise_lies_in_its_directions_alone(invented, release, starts):
    public = invented(folder="public")
    released = release(invented(size=2.0), basis=public, directions=4)
    differences = np.concatenate([shards.read(path, "embeddings")["embeddings"].reshape(3, -1) for path in public])
    starting = np.repeat([starts[name].reshape(-1) for name in CLASSES], 3, axis=0)
    basis = mechanism.public_basis(differences.astype(np.float64) - starting, 4)
    made = moved(released, starts)
    np.testing.assert_allclose(made @ basis.T @ basis, made, atol=1e-5)
    assert released.attributes["guarantee"]["directions"] == 4


def test_samples_vary_as_the_images_do_or_as_public_ones_do_along_the_public_directions(invented, release, sample):
    public = invented(folder="public")
    how = {"basis": public, "directions": 4, "epsilon": None, "budget": None, "clip": 100.0}
    alone, both = release(invented(size=2.0), **how), release(invented(size=2.0), spread="released", **how)
    np.testing.assert_allclose(alone["embeddings"], both["embeddings"], atol=1e-6)
    assert both["spread"].shape == (2, 4, 2, 8)
    for row, (name, label) in enumerate(CLASSES.items()):
        own = 2.0 * np.random.default_rng(label).standard_normal((3, 16))
        rows = both["spread"][row].reshape(4, 16)
        deviations = np.linalg.norm(rows, axis=1)
        basis = rows / deviations[:, None]
        np.testing.assert_allclose(deviations, (own @ basis.T).std(axis=0), rtol=1e-3, err_msg=name)
    varied = sample(out="varied.h5", embedding_noise=0.0)
    of_public = release(invented(size=2.0), spread="public", **how)
    np.testing.assert_allclose(of_public["embeddings"], alone["embeddings"], atol=1e-6)
    own = [np.random.default_rng(label).standard_normal((3, 16)) for label in CLASSES.values()]
    within = np.concatenate([one - one.mean(axis=0) for one in own])
    rows = of_public["spread"][0].reshape(4, 16)
    deviations = np.linalg.norm(rows, axis=1)
    along = within @ (rows / deviations[:, None]).T
    np.testing.assert_allclose(deviations, np.sqrt((along**2).sum(axis=0) / 4), rtol=1e-3)
    np.testing.assert_array_equal(of_public["spread"][0], of_public["spread"][1])
    release(invented(size=2.0), **how)
    assert not np.array_equal(varied["images"], sample(embedding_noise=0.0)["images"])


def test_samples_draw_a_normal_number_for_each_row_of_the_spread():
    items = [(-1 - n, 0) for n in range(2000)]
    spread = np.zeros((2, 1, 3), np.float32)
    spread[0, 0, 0], spread[1, 0, 1] = 2.0, 0.5
    drawn = conditioning.around(items, np.ones((1, 3), np.float32), 0.0, 0, spread)
    np.testing.assert_allclose(drawn.mean(axis=(0, 1)), 1.0, atol=0.15)
    np.testing.assert_allclose(drawn.std(axis=(0, 1)), [2.0, 0.5, 0.0], rtol=0.06)
    np.testing.assert_array_equal(conditioning.around(items[5:7], np.ones((1, 3)), 0.0, 0, spread), drawn[5:7])


SAMPLING = {"source": "mild", "conditioning": "class_inversion", "class_name": "two", "label": 5, "first": 4}
SAMPLING |= {"images": 2, "samples_per_image": 2, "one_more": 1, "scheduler": "ddim", "num_inference_steps": 2}
SAMPLING |= {
    "guidance_scale": 2.0,
    "guidance_interval": [0, 1],
    "unconditional": "dataset",
    "embedding_noise": 0.1,
    "strength": None,
    "inversion_steps": None,
    "fresh_noise": 0,
}
SAMPLING |= {
    "interpolation_strength": 0,
    "resolution": 16,
    "image_size": 8,
    "batch_size": 3,
    "seed": 0,
    **given.COMPUTE,
}


@pytest.fixture
def sample(tmp_path, base_model, run_step):
    def run(out="samples.h5", **changes):
        common = ["--base-model", base_model / "model_index.json", "--options", json.dumps({**SAMPLING, **changes})]
        run_step("scripts.privacy_sample", "--release", tmp_path / "released.h5", *common, "--out", tmp_path / out)
        return shards.read(tmp_path / out, "images")

    return run


def test_samples_are_made_of_the_release_alone_and_are_of_no_real_image(invented, release, sample):
    released = release(invented())
    drawn = sample()
    assert drawn["images"].shape == (5, 8, 8, 3)
    assert drawn["labels"].tolist() == [5] * 5
    assert (drawn["image_ids"] < 0).all()
    assert list(zip(drawn["image_ids"] - drawn["image_ids"].min(), drawn["variants"], strict=True)) == [
        *((1, 0), (1, 1), (1, 2)),
        *((0, 0), (0, 1)),
    ]
    assert drawn.attributes["inputs"] == {"release": released.attributes["checksum"]}
    assert drawn.attributes["guarantee"] == released.attributes["guarantee"]


def test_no_two_samples_of_a_study_share_an_id_or_noise(invented, release, sample):
    release(invented())
    parts = [sample(label=label, first=first) for label in (1, 5) for first in (0, 2)]
    ids = np.concatenate([np.unique(part["image_ids"]) for part in parts])
    assert len(set(ids.tolist())) == 8
    assert len({part["images"].tobytes() for part in parts}) == 4


def test_samples_do_not_depend_on_their_shard(invented, release, sample):
    release(invented())
    whole, rest = sample(images=4, one_more=0, first=0), sample(images=2, one_more=0, first=2)
    np.testing.assert_array_equal(whole["image_ids"][4:], rest["image_ids"])
    assert np.abs(whole["images"][4:].astype(int) - rest["images"]).max() <= 1


@pytest.fixture
def bundle(tmp_path, run_step):
    said = {"study": "private", "dataset": "digits", "base_model": "x", "base_model_saw": ["typeset digits"]}
    said |= {"classifier_weights": [], "images": 6, "epsilon": 3.0, "delta": 1e-5, "neighbours": "replace_one"}

    def run(*paths):
        files = ("images", "images.json"), ("ledgers", "privacy"), ("out", "release.zip")
        named = [text for name, path in files for text in (f"--{name}", tmp_path / path)]
        common = ["--folder", tmp_path, "--options", json.dumps(said)]
        run_step("scripts.privacy_bundle", "--files", *(tmp_path / path for path in paths), *named, *common)
        return zipfile.ZipFile(tmp_path / "release.zip")

    return run


def classifier(path, *parts):
    model = networks.initialise(networks.build("resnet20", 2, 16), 0)
    made = {"step": "train", "parts": [[name, 4] for name in parts], "options": {}}
    storage.save(path, model.state_dict(), made)


def test_a_bundle_holds_what_was_released_what_was_made_of_it_and_a_card(invented, release, sample, bundle, tmp_path):
    release(invented())
    sample()
    classifier(tmp_path / "seed-0.safetensors", "mild")
    with bundle("released.h5", "samples.h5", "seed-0.safetensors") as archive:
        assert set(archive.namelist()) == {"card.md", "card.json", "released.h5", "samples.h5", "seed-0.safetensors"}
        assert archive.read("released.h5") == (tmp_path / "released.h5").read_bytes()
        card = json.loads(archive.read("card.json"))
        assert card["together"] == card["spent"] == pytest.approx(3.0)
        assert card["releases"]["mild"]["clip"] == 0.5
        assert "factor of at most 20.1 (epsilon 3)" in archive.read("card.md").decode()
        assert (tmp_path / "privacy/secret").read_bytes() not in (tmp_path / "release.zip").read_bytes()


def test_what_saw_real_images_or_has_no_guarantee_or_is_in_no_ledger_is_not_bundled(
    invented, release, bundle, images_shard, tmp_path
):
    release(invented())
    images_shard("real.h5")
    classifier(tmp_path / "seed-0.safetensors", "real", "mild")
    for odd in ("real.h5", "seed-0.safetensors"):
        with pytest.raises(ValueError, match=f"{odd}: must be made of releases with noise alone, was made by"):
            bundle("released.h5", odd)
    release(invented(), out="bare.h5", source="bare", epsilon=None)
    with pytest.raises(ValueError, match="bare.h5: must be made of releases with noise alone"):
        bundle("bare.h5")
    (path,) = (tmp_path / "privacy").glob("*.json")
    path.unlink()
    with pytest.raises(ValueError, match="must hold every release that leaves, does not"):
        bundle("released.h5")
    assert not (tmp_path / "release.zip").exists()
