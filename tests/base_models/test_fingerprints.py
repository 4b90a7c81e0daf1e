"""realgap.fingerprints: every byte of a base model's weights counts, and is read once."""

import json
import os
import shutil

import pytest

from realgap.base_model import fingerprints
from realgap.store import digests, files


@pytest.fixture
def fingerprint(tmp_path):
    """fingerprint(folder), with what is known of files in a place of its own."""
    return lambda folder: fingerprints.fingerprint(folder, tmp_path / "state" / "weights.json")


@pytest.fixture
def weights(tmp_path):
    """A file of weights of 3 MB that was written an hour ago, in its base model."""
    path = tmp_path / "model" / "unet" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(3 << 20))
    return path


@pytest.fixture
def settled(monkeypatch):
    """Files are remembered however short a time ago they were written."""
    monkeypatch.setattr(digests, "SETTLED_S", -3600)


def test_a_copy_of_a_base_model_has_its_fingerprint(base_model, tmp_path, fingerprint):
    shutil.copytree(base_model, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("another card")
    for path in (tmp_path / "copy").rglob("*"):
        path.touch()
    assert fingerprint(tmp_path / "copy") == fingerprint(base_model)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder", "tokenizer", "scheduler"])
def test_any_other_part_makes_another_fingerprint(base_model, tmp_path, fingerprint, part):
    shutil.copytree(base_model, tmp_path / "copy")
    changed = max((tmp_path / "copy" / part).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(changed.read_bytes())
    content[-3] ^= 1
    changed.write_bytes(content)
    assert fingerprint(tmp_path / "copy") != fingerprint(base_model)


@pytest.mark.parametrize("position", [0, (1 << 20) + 5, (3 << 19), (3 << 20) - 1])
def test_a_byte_anywhere_in_a_large_file_counts(weights, fingerprint, settled, position):
    before = fingerprint(weights.parents[1])
    content = bytearray(weights.read_bytes())
    content[position] = 1
    weights.write_bytes(content)
    assert fingerprint(weights.parents[1]) != before
    weights.write_bytes(bytes(3 << 20))
    assert fingerprint(weights.parents[1]) == before
    weights.write_bytes(bytes((3 << 20) + 1))
    assert fingerprint(weights.parents[1]) != before


def test_a_file_is_read_once(weights, fingerprint, settled, monkeypatch):
    read, whole = [], files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or whole(path))
    assert len({fingerprint(weights.parents[1]) for _ in range(3)}) == 1
    assert read == [weights]
    os.utime(weights)
    fingerprint(weights.parents[1])
    assert len(read) == 2


def test_a_file_that_was_just_written_is_not_remembered(weights, fingerprint, monkeypatch):
    read, whole = [], files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or whole(path))
    fingerprint(weights.parents[1])
    fingerprint(weights.parents[1])
    assert len(read) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"checksum": "0", "files": {}}', "other digest", "binary"])
def test_what_is_wrong_with_what_is_remembered_is_passed_over(weights, fingerprint, settled, tmp_path, damage):
    right = fingerprint(weights.parents[1])
    state = tmp_path / "state" / "weights.json"
    card = json.loads(state.read_text())
    if damage == "other digest":
        card["files"][str(weights)][3] = "0" * 64
        state.write_text(json.dumps(card))
    elif damage == "binary":
        state.write_bytes(b"\xff\xfe\x00")
    else:
        state.write_text(damage)
    assert fingerprint(weights.parents[1]) == right
    assert len(json.loads(state.read_text())["files"]) == 1, "remembered anew"


def test_a_place_that_cannot_be_written_is_no_error(weights, tmp_path, settled):
    (tmp_path / "file").write_text("")
    assert len(fingerprints.fingerprint(weights.parents[1], tmp_path / "file" / "weights.json")) == 16


def test_a_base_model_is_its_revision_as_long_as_it_is_what_was_fetched(weights, tmp_path, settled):
    folder, state, revision = weights.parents[1], tmp_path / "state.json", "a" * 40
    assert fingerprints.identity(folder, revision, state) == revision, "not fetched yet"
    (folder / "model_index.json").write_text("{}")
    own = fingerprints.identity(folder, None, state)
    assert own == fingerprints.fingerprint(folder, state)
    assert fingerprints.identity(folder, revision, state) == own, "put there by hand"
    fingerprints.record(folder, revision, state)
    assert fingerprints.identity(folder, revision, state) == revision
    assert fingerprints.identity(folder, "b" * 40, state) == own
    content = bytearray(weights.read_bytes())
    content[1_500_000:2_000_000] = bytes([7]) * 500_000
    weights.write_bytes(content)
    assert fingerprints.identity(folder, revision, state) not in (revision, own)


def test_what_is_fetched_is_noted_as_its_revision(base_model, tmp_path, monkeypatch, run_step):
    import huggingface_hub

    folder, asked = tmp_path / "fetched", []

    def download(hub, *, revision, local_dir, allow_patterns, ignore_patterns):
        asked.append(allow_patterns)
        for path in (path for path in base_model.rglob("*") if path.is_file()):
            if (path.name == "model_index.json") == (allow_patterns == ["model_index.json"]):
                copy = local_dir / path.relative_to(base_model)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    options = {"path": str(folder), "hub": "someone/some-model", "revision": "c" * 40}
    run_step("scripts.base_model_fetch", "--options", json.dumps(options))
    assert asked[-1] == ["model_index.json"]
    assert len(asked) == 2
    assert fingerprints.identity(folder, "c" * 40, tmp_path / "state.json") == "c" * 40
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"others")
    assert fingerprints.identity(folder, "c" * 40, tmp_path / "state.json") != "c" * 40
