"""Promise: a file from elsewhere runs no code, reaches no other file, and is shown as text."""

import ast
import io
import os
import pickle
import string
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from realgap.classifier import storage
from realgap.data import catalog
from realgap.pretraining.fitting import Checkpoint as PretrainingCheckpoint
from realgap.report import sections
from realgap.store import naming, shards
from realgap.store.checkpoints import Checkpoint
from realgap.study import config as configuration

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "workflow").rglob("*.py"))
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# --- no code from files -------------------------------------------------------------------------------------------


def calls(path):
    """(name of the function, its keywords, line) of every call in a source."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            keywords = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            yield ast.unparse(node.func), keywords, node.lineno


def test_nothing_in_the_sources_unpickles_or_runs_what_it_reads():
    found = []
    for path in SOURCES:
        for name, words, line in calls(path):
            last = name.rsplit(".", 1)[-1]
            if (
                (name == "torch.load" and words.get("weights_only") is not True)
                or words.get("trust_remote_code")
                or words.get("allow_pickle")
                or name.split(".")[0] in ("pickle", "joblib", "dill", "marshal", "shelve")
                or (name.startswith("yaml.") and last in ("load", "unsafe_load", "full_load", "load_all"))
                or name in ("eval", "exec", "os.system", "pd.read_pickle")
                or words.get("shell")
            ):
                found.append(f"{path.name}:{line} {name}")
    assert found == []


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("wrap", ["pickle", "torch"])
def test_a_pickle_in_place_of_any_artefact_is_refused_and_not_run(tmp_path, wrap):
    ran, file = tmp_path / "it ran", io.BytesIO()
    if wrap == "pickle":
        pickle.dump(Bomb(ran), file)
    else:
        torch.save({"settings": Bomb(ran), "w": Bomb(ran)}, file)
    for name in ("a.h5", "a.safetensors", ".a.h5.checkpoint.safetensors", "a.pt", "a.json"):
        (tmp_path / name).write_bytes(file.getvalue())
    readers = [
        lambda: shards.read(tmp_path / "a.h5", "images"),
        lambda: storage.load(tmp_path / "a.safetensors"),
        lambda: Checkpoint(tmp_path / "a.h5", {}).load(dict),
        lambda: sections.load(tmp_path / "a.json"),
    ]
    for read in readers:
        with pytest.raises(ValueError, match=str(tmp_path)):
            read()
    with pytest.raises(pickle.UnpicklingError):
        PretrainingCheckpoint(tmp_path / "a.pt", "").load({})
    assert not ran.exists()
    pickle.loads(pickle.dumps(Bomb(ran)))
    assert ran.exists(), "the bomb of this test is none"


def test_yaml_runs_nothing():
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load('study: !!python/object/apply:os.system ["true"]')


# --- no path from a file leads out of the study ---------------------------------------------------------------------


@pytest.mark.parametrize("source", ["/etc/hostname", "../../outside.h5", "a/../../../outside.h5", "../a/../../x.h5"])
def test_a_union_that_points_out_of_its_study_is_refused_without_a_look(tmp_path, images_shard, source, monkeypatch):
    (tmp_path / "study" / "training_sets").mkdir(parents=True)
    inside = images_shard("study/real.h5")
    shards.write_union(tmp_path / "study/training_sets/u.h5", [inside], {})
    opened = []
    monkeypatch.setattr(shards, "checksum", lambda path: opened.append(path))
    forge(tmp_path / "study/training_sets/u.h5", source)
    with pytest.raises(ValueError, match="lies outside of the study"):
        shards.read(tmp_path / "study/training_sets/u.h5", "images")
    assert opened == []


def test_a_union_in_place_of_a_shard_does_not_look_into_the_study_beside_its_own(tmp_path, images_shard):
    images_shard("other/test.h5")
    (tmp_path / "study").mkdir()
    shards.write_union(tmp_path / "study/test.h5", [tmp_path / "other/test.h5"], {})
    with pytest.raises(ValueError, match=r"\.\./other/test\.h5 lies outside of the study"):
        shards.read(tmp_path / "study/test.h5", "images")


def forge(path, source):
    """Another source in a union, with the checksum that belongs to it: the checksum is no signature."""
    import json

    with h5py.File(path, "r+") as file:
        attributes = json.loads(file.attrs["attributes"])
        attributes["sources"][0]["file"] = source
        text = json.dumps(attributes, sort_keys=True)
        for name, value in (("attributes", text), ("checksum", shards._digest_union(text))):
            file.attrs.create(name, value.encode(), dtype=h5py.string_dtype("utf-8", len(value.encode())))


def test_a_union_that_shows_itself_is_refused(tmp_path, images_shard):
    shards.write_union(tmp_path / "u.h5", [images_shard("a.h5")], {})
    forge(tmp_path / "u.h5", "u.h5")
    with pytest.raises(ValueError, match=f"{tmp_path / 'u.h5'}: has changed since"):
        shards.read(tmp_path / "u.h5", "images")


def test_a_few_bytes_that_ask_for_terabytes_are_refused(tmp_path, images_shard):
    path = images_shard("a.h5")
    with h5py.File(path, "r+") as file:
        del file["images"]
        file.create_dataset("images", (1 << 20, 1 << 10, 1 << 10, 3), "uint8", chunks=(1, 64, 64, 3))
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="images is not all there"):
        shards.read(path, "images")


# --- any bytes, any configuration, any name -------------------------------------------------------------------------


@few
@given(data=st.data())
def test_any_bytes_are_a_shard_as_written_or_an_error_that_names_the_file(tmp_path, images_shard, data):
    path = tmp_path / "fuzzed.h5"
    whole = images_shard("whole.h5").read_bytes()
    changes = data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=16)), max_size=8)
    )
    changed = bytearray(whole)
    for position, new in changes:
        changed[position : position + len(new)] = new
    changed = data.draw(
        st.sampled_from([bytes(changed), bytes(changed[: len(whole) // 2]), b"\x89HDF\r\n\x1a\n" + bytes(changed)])
    )
    path.write_bytes(changed)
    try:
        read = shards.read(path, "images")
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        original = shards.read(tmp_path / "whole.h5", "images")
        assert read.attributes == original.attributes
        for name in original.arrays:
            np.testing.assert_array_equal(read[name], original[name], strict=True)


@few
@given(content=st.binary(max_size=400))
def test_any_bytes_are_refused_as_weights_with_the_name_of_the_file(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="a.safetensors"):
        storage.load(tmp_path / "a.safetensors")


KEYS = [(section, key) for section, value in DEFAULT.items() if isinstance(value, dict) for key in value]
KEYS += [(section, None) for section in DEFAULT]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=300, deadline=None)
@given(where=st.sampled_from(KEYS), value=VALUES)
@example(where=("dataset", "images_per_class"), value={"\x1f": None})
def test_any_value_of_any_key_is_right_or_one_line(where, value):
    config = {section: dict(v) if isinstance(v, dict) else v for section, v in DEFAULT.items()}
    section, key = where
    if key is None:
        config[section] = value
    else:
        config[section][key] = value
    try:
        configuration.check(config)
    except ValueError as error:
        said = str(error)
        assert said.startswith("config: ") and said.isprintable() and len(said) < 600, said  # noqa: PT017, PT018


NAMES_OF_ANY_KIND = st.text(max_size=70) | st.text(string.ascii_letters + "./-_\\ $;{}'\n\0\t\x9b\udcff", max_size=12)


@settings(max_examples=500, deadline=None)
@given(name=NAMES_OF_ANY_KIND)
def test_a_name_of_a_study_is_refused_or_stays_one_plain_file_name(name):
    try:
        configuration.check({**DEFAULT, "study": name})
    except ValueError as error:
        assert str(error).startswith("config: ")  # noqa: PT017
    else:
        assert is_plain(name)


def is_plain(name):
    inside = name == Path(name).name and name[0] not in ".-_" and len(name) <= 64
    return inside and set(name) <= set(string.ascii_letters + string.digits + "._-")


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES_OF_ANY_KIND)
def test_a_class_is_refused_or_its_files_are_called_by_one_plain_name(tmp_path, name):
    """The class's own name stays as it was written, in labels and in files alike."""
    (tmp_path / "mine.h5").touch()
    dataset = {**DEFAULT["dataset"], "name": "hdf5", "root": str(tmp_path / "mine.h5"), "classes": [name, "other"]}
    dataset |= {"images_per_class": 2, "validation_images_per_class": 0}
    try:
        configuration.check({**DEFAULT, "dataset": dataset, "analyses": []})
    except ValueError as error:
        said = str(error)
        assert said.startswith("config: dataset.classes")  # noqa: PT017
        assert said.isprintable()  # noqa: PT017
        odd = not name or name == "other" or any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name)
        assert odd, said  # noqa: PT017
    else:
        assert is_plain(naming.folder(name))
        assert naming.folder(name) != naming.folder("other")
        label = catalog.label("hdf5", name)
        assert 0 <= label < 2**63
        path = tmp_path / "a.h5"
        arrays = {"images": np.zeros((1, 8, 8, 3), np.uint8), "labels": np.array([label]), "image_ids": np.arange(1)}
        arrays["variants"] = np.zeros(1, np.int32)
        shards.write(path, "images", arrays, {naming.KEY: {name: label}})
        assert naming.names({path: shards.read(path, "images").attributes}) == [name]


@settings(max_examples=300, deadline=None)
@given(
    names=st.lists(st.text(min_size=1, max_size=8) | st.text("aß_- ", min_size=1, max_size=3), min_size=2, unique=True)
)
def test_no_two_classes_have_their_files_in_one_folder(names):
    assert len({naming.folder(name) for name in names}) == len(names)
