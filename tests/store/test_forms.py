"""realgap.store.forms: what is read is what was written, whichever form a file has, or an error that names the file."""

import json

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from sklearn.datasets import load_digits

from realgap.store import forms, shards
from realgap.store.rows import Rows

MADE = {"step": "test", "source": "real", "options": {"seed": 3}}


def of_images(images, first_id=0):
    n = len(images)
    return {
        "images": images,
        "labels": np.arange(n) % 3,
        "image_ids": first_id + np.arange(n),
        "variants": np.zeros(n, np.int32),
    }


def of_embeddings(values):
    n = len(values)
    return {
        "embeddings": values,
        "losses": np.linspace(0, 1, 2 * n, dtype=np.float32).reshape(n, 2),
        "visits": np.arange(n, dtype=np.int32),
        "labels": np.zeros(n, np.int64),
        "image_ids": np.arange(n),
    }


def digits(n=40):
    """Handwritten digits, which are grey."""
    grey = np.round(load_digits().images[:n] * 15).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def noise(n=40, height=5, width=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


def assert_same(read, arrays):
    assert set(read.arrays) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


SHAPES = st.tuples(st.integers(0, 6), st.integers(1, 9), st.integers(1, 9), st.just(3))


@settings(max_examples=40, deadline=None)
@given(arrays_of.arrays(np.uint8, SHAPES))
def test_any_pixels_come_back_from_webp_as_they_were(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("webp") / "a.h5"
    shards.write(path, "images", of_images(images), MADE, "webp")
    assert_same(shards.read(path, "images"), of_images(images))
    np.testing.assert_array_equal(shards.opened(path)["images"][:], images, strict=True)


@pytest.mark.parametrize("images", [noise(300, 17, 33), digits(), noise(0), noise(1), np.zeros((3, 1, 1, 3), np.uint8)])
def test_photographs_and_digits_come_back_and_the_checksum_is_that_of_the_pixels(tmp_path, images):
    for form in ("raw", "webp"):
        shards.write(tmp_path / f"{form}.h5", "images", of_images(images.T.copy().T), MADE, form)
        assert_same(shards.read(tmp_path / f"{form}.h5", "images"), of_images(images))
    assert shards.checksum(tmp_path / "raw.h5") == shards.checksum(tmp_path / "webp.h5")
    raw, webp = (shards.read(tmp_path / f"{form}.h5", "images") for form in ("raw", "webp"))
    assert raw.attributes == webp.attributes
    assert (raw.form, webp.form) == (None, "webp")


def test_the_same_pixels_give_the_same_bytes_however_they_come_in(tmp_path):
    arrays = of_images(noise(50))
    shards.write(tmp_path / "whole.h5", "images", arrays, MADE, "webp")
    for size in (1, 7, 50):
        with shards.writing(tmp_path / "pieces.h5", "images", 50, MADE, "webp") as append:
            for first in range(0, 50, size):
                append({name: array[first : first + size] for name, array in arrays.items()})
        assert (tmp_path / "pieces.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_file_without_a_form_has_the_bytes_it_always_had(tmp_path):
    shards.write(tmp_path / "said.h5", "images", of_images(digits()), MADE, "raw")
    shards.write(tmp_path / "unsaid.h5", "images", of_images(digits()), MADE)
    assert (tmp_path / "said.h5").read_bytes() == (tmp_path / "unsaid.h5").read_bytes()
    with h5py.File(tmp_path / "said.h5") as file:
        assert set(file) == set(shards.LAYOUT["images"])
        assert set(file.attrs) == set(shards.HEADER)
        assert file.attrs["format"] == 1


def test_smooth_pictures_become_small(tmp_path):
    ramp = np.linspace(0, 255, 64)
    images = np.stack([ramp[None] + ramp[:, None], ramp[None] + 0 * ramp[:, None], ramp[:, None] - ramp[None]], axis=-1)
    images = np.repeat((images % 256).astype(np.uint8)[None], 30, axis=0)
    for form in ("raw", "webp"):
        shards.write(tmp_path / f"{form}.h5", "images", of_images(images), MADE, form)
    assert (tmp_path / "webp.h5").stat().st_size < (tmp_path / "raw.h5").stat().st_size / 4


@pytest.mark.parametrize(("kind", "name"), [("embeddings", "embeddings"), ("moments", "mean")])
def test_numbers_in_half_precision_are_rounded_once_and_read_as_float32(tmp_path, kind, name):
    values = np.random.default_rng(0).normal(size=(9, 2, 5)).astype(np.float32)
    arrays = of_embeddings(values)
    if kind == "moments":
        both = {"mean": values.reshape(9, 2, 5, 1), "std": np.abs(values).reshape(9, 2, 5, 1)}
        arrays = {**both, "labels": arrays["labels"], "image_ids": arrays["image_ids"]}
    halved = {key: v.astype(np.float16).astype(np.float32) if key in forms.HALVED else v for key, v in arrays.items()}
    shards.write(tmp_path / "half.h5", kind, arrays, MADE, "float16")
    assert_same(shards.read(tmp_path / "half.h5", kind), halved)
    shards.write(tmp_path / "again.h5", kind, halved, MADE, "float16")
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "half.h5").read_bytes()
    shards.write(tmp_path / "float32.h5", kind, halved, MADE, "float32")
    assert shards.checksum(tmp_path / "float32.h5") == shards.checksum(tmp_path / "half.h5")
    with h5py.File(tmp_path / "half.h5") as file:
        assert file[name].dtype == np.float16


def test_numbers_that_half_precision_would_make_infinite_are_refused_and_nothing_is_written(tmp_path):
    values = np.ones((3, 2, 5), np.float32)
    values[1, 0, 2] = 70_000
    with pytest.raises(ValueError, match="embeddings must lie within 65,504 of zero to be stored in float16"):
        shards.write(tmp_path / "a.h5", "embeddings", of_embeddings(values), MADE, "float16")
    assert not list(tmp_path.iterdir())


def test_a_run_says_which_form_new_files_have_and_older_ones_stay_as_they_are(tmp_path, monkeypatch):
    shards.write(tmp_path / "before.h5", "images", of_images(digits()), MADE)
    before = (tmp_path / "before.h5").read_bytes()
    monkeypatch.setenv(forms.ASKED, json.dumps({"images": "webp", "embeddings": "float16", "moments": "float32"}))
    shards.write(tmp_path / "a.h5", "images", of_images(digits()), MADE)
    shards.write(tmp_path / "b.h5", "embeddings", of_embeddings(np.ones((2, 2, 2), np.float32)), MADE)
    logits = {"logits": np.ones((2, 2), np.float32), "labels": np.arange(2), "image_ids": np.arange(2)}
    shards.write(tmp_path / "c.h5", "predictions", logits, MADE)
    kinds = {"before": "images", "a": "images", "b": "embeddings", "c": "predictions"}
    found = {name: shards.read(tmp_path / f"{name}.h5", kind).form for name, kind in kinds.items()}
    assert found == {"before": None, "a": "webp", "b": "float16", "c": None}
    assert (tmp_path / "before.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "form", "message"),
    [
        ("images", "png", "store.images: must be raw or webp; got png"),
        ("embeddings", "webp", "store.embeddings: must be float32 or float16; got webp"),
        ("predictions", "float16", "store.predictions: must be left out; got float16"),
    ],
)
def test_a_form_that_a_kind_does_not_have_is_one_line(tmp_path, kind, form, message):
    arrays = {"images": of_images(digits()), "embeddings": of_embeddings(np.ones((2, 2, 2), np.float32))}
    arrays["predictions"] = {"logits": np.ones((2, 2), np.float32), "labels": np.arange(2), "image_ids": np.arange(2)}
    with pytest.raises(ValueError, match=message):
        shards.write(tmp_path / "a.h5", kind, arrays[kind], MADE, form)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def mixed(tmp_path):
    """A union of raw and packed shards, the first 7 of which are raw."""
    images = noise(30)
    for name, rows, form in (("a", slice(0, 7), "raw"), ("b", slice(7, 19), "webp"), ("c", slice(19, 30), "webp")):
        shards.write(tmp_path / f"{name}.h5", "images", of_images(images[rows], rows.start), MADE, form)
    (tmp_path / "training_sets").mkdir()
    path = tmp_path / "training_sets/all.h5"
    shards.write_union(path, [tmp_path / f"{name}.h5" for name in "abc"], {"training_set": "all"})
    return path, images


def test_a_union_of_files_in_several_forms_reads_as_one_and_has_the_checksum_of_raw_ones(mixed, tmp_path):
    path, images = mixed
    np.testing.assert_array_equal(shards.read(path, "images")["images"], images, strict=True)
    opened = shards.opened(path)
    assert isinstance(opened["images"], Rows)
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(opened["images"][order], images[order], strict=True)
    np.testing.assert_array_equal(opened["images"][5:22], images[5:22], strict=True)
    np.testing.assert_array_equal(opened["images"].between(3, 25)[[0, 20, 4]], images[[3, 23, 7]], strict=True)
    np.testing.assert_array_equal(np.concatenate(list(opened["images"].blocks())), images, strict=True)
    for name, rows in (("b", slice(7, 19)), ("c", slice(19, 30))):
        shards.write(tmp_path / f"{name}.h5", "images", of_images(images[rows], rows.start), MADE, "raw")
    shards.write_union(
        tmp_path / "training_sets/raw.h5", [tmp_path / f"{name}.h5" for name in "abc"], {"training_set": "all"}
    )
    assert shards.checksum(tmp_path / "training_sets/raw.h5") == shards.checksum(path)
    np.testing.assert_array_equal(shards.read(path, "images")["images"], images)  # of files that were made anew


def test_a_union_has_no_view_of_pixels_that_hdf5_cannot_show(mixed, tmp_path):
    path, images = mixed
    with h5py.File(path) as file:
        assert set(file) == {"labels", "image_ids", "variants"}
        assert file.attrs["format"] == 2
        np.testing.assert_array_equal(file["image_ids"][()], np.arange(30))
    other = tmp_path / "d.h5"
    shards.write(other, "images", of_images(images[:2], 100), MADE)
    shards.write_union(tmp_path / "training_sets/top.h5", [path, other], {})
    read = shards.read(tmp_path / "training_sets/top.h5", "images")
    np.testing.assert_array_equal(read["images"], np.concatenate([images, images[:2]]))
    assert read.form == "webp"


@pytest.mark.parametrize(("kind", "step"), [("images", 61), ("embeddings", 61), ("union", 83)])
def test_every_flipped_bit_is_seen_or_changes_nothing(tmp_path, mixed, kind, step):
    path = mixed[0] if kind == "union" else tmp_path / "one.h5"
    if kind == "images":
        shards.write(path, "images", of_images(digits(3)), MADE, "webp")
    if kind == "embeddings":
        shards.write(path, "embeddings", of_embeddings(np.ones((3, 2, 5), np.float32)), MADE, "float16")
    of, whole, refused = "images" if kind == "union" else kind, path.read_bytes(), 0
    before = shards.read(path, of)
    for position in range(0, len(whole), step):
        altered = bytearray(whole)
        altered[position] ^= 1 << position % 8
        path.write_bytes(altered)
        for read in (shards.read, lambda path, kind: shards.opened(path)) if of == "images" else (shards.read,):
            try:
                found = read(path, of)
            except ValueError as error:
                refused += str(path) in str(error) or pytest.fail(f"byte {position}: {error}")
            else:
                assert found.attributes == before.attributes
                for name in before.arrays:
                    np.testing.assert_array_equal(found[name][:], before[name])
    assert refused > 10


def test_what_lies_in_a_file_is_checked_when_it_is_opened_and_its_pixels_when_they_are_read(tmp_path):
    shards.write(tmp_path / "a.h5", "images", of_images(noise(9)), MADE, "webp")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["images"][len(file["images"]) // 2] ^= 1
    for read in (lambda: shards.read(tmp_path / "a.h5", "images"), lambda: shards.opened(tmp_path / "a.h5")):
        with pytest.raises(ValueError, match=r"a\.h5: its content does not match its checksum"):
            read()


def resealed(path, **held):
    """Put other arrays into a packed file, with a digest that fits: what a program of someone else's may write."""
    with h5py.File(path, "r+") as file:
        for name, array in held.items():
            del file[name]
            shards._dataset(file, name, array)
        header = shards._header(file)
        stored = shards._digest_held(header, {name: file[name][()] for name in file}).encode()
        file.attrs.create("stored", stored, dtype=h5py.string_dtype("utf-8", len(stored)))


@pytest.mark.parametrize(
    "wrong", ["other pixels", "no picture", "another size", "too short", "too long", "negative", "lossy"]
)
def test_a_file_that_does_not_hold_what_it_says_is_one_line_whoever_sealed_it(tmp_path, wrong):
    path, other = tmp_path / "a.h5", forms._picture(noise(1, seed=5)[0])
    shards.write(path, "images", of_images(noise(2)), MADE, "webp")
    with h5py.File(path) as file:
        content, lengths = file["images"][()], file["lengths"][()]
    bytes_of = {
        "other pixels": other,
        "no picture": b"x" * 40,
        "another size": forms._picture(noise(1, 7, 7)[0]),
        "a huge one": other[:21] + (16382 | 16382 << 14).to_bytes(4, "little") + other[25:],
        "lossy": other[:12] + b"VP8 " + other[16:],
    }
    if wrong in bytes_of:
        rest = content[: lengths[0]]
        own = np.frombuffer(bytes_of[wrong], np.uint8)
        resealed(path, images=np.concatenate([rest, own]), lengths=np.array([lengths[0], len(own)]))
    else:
        change = {"too short": [0, -1], "too long": [0, 2**62], "negative": [-(2**40), 2**40]}[wrong]
        resealed(path, lengths=lengths + change)
    with pytest.raises(ValueError, match=r"a\.h5: ") as caught:
        shards.read(path, "images")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    if wrong in ("no picture", "another size", "a huge one", "lossy"):
        with pytest.raises(ValueError, match="picture"):
            shards.opened(path)["images"][:]


def test_pictures_that_webp_cannot_hold_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="images must be RGB of 1 to 8192 px a side to be stored as WebP, are not"):
        shards.write(tmp_path / "a.h5", "images", of_images(np.zeros((1, 2, 9000, 3), np.uint8)), MADE, "webp")
    assert not list(tmp_path.iterdir())


def test_a_form_that_is_not_known_is_refused_by_name(tmp_path):
    shards.write(tmp_path / "a.h5", "images", of_images(digits(3)), MADE, "webp")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs.create("form", b"jxl", dtype=h5py.string_dtype("utf-8", 3))
    with pytest.raises(ValueError, match=r"a\.h5: must have a form that images can have, got jxl"):
        shards.read(tmp_path / "a.h5", "images")


def test_the_written_contract_names_every_form_and_what_its_files_hold():
    contract = (shards.Path(shards.__file__).parents[2] / "docs" / "shard-format.md").read_text()
    section = contract.split("## Forms")[1].split("\n## ")[0]
    for kind, own in forms.FORMS.items():
        for form in own:
            assert f"`{form}`" in section, (kind, form)
    for name in (*shards.OF_PACKED, "lengths", "shape"):
        assert f"| `{name}` |" in section
