"""realgap.classifier.storage: classifiers at rest."""

import pytest
import torch

from realgap.classifier import storage

MADE = {"options": {"seed": 1, "lr": 0.05}, "classes": [0, 3], "parts": [["real", 20]]}


def a_state():
    generator = torch.Generator().manual_seed(0)
    return {
        "fc.weight": torch.randn(4, 6, generator=generator).t(),  # not contiguous
        "bn.running_mean": torch.randn(4, generator=generator).requires_grad_(),
        "bn.num_batches_tracked": torch.tensor(7),
    }


def test_what_is_loaded_is_what_was_saved(tmp_path):
    storage.save(tmp_path / "a.safetensors", a_state(), MADE)
    state, made = storage.load(tmp_path / "a.safetensors")
    assert made == MADE
    assert set(state) == set(a_state())
    for name, tensor in a_state().items():
        torch.testing.assert_close(state[name], tensor.detach(), rtol=0, atol=0)


def test_equal_content_is_equal_bytes(tmp_path):
    storage.save(tmp_path / "a.safetensors", a_state(), MADE)
    storage.save(tmp_path / "b.safetensors", dict(reversed(a_state().items())), dict(reversed(MADE.items())))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_altered_or_truncated_weights_are_refused_by_name(tmp_path):
    path = tmp_path / "a.safetensors"
    storage.save(path, a_state(), MADE)
    whole = path.read_bytes()
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 1 << position % 8
        path.write_bytes(altered)
        try:
            state, made = storage.load(path)
        except ValueError as error:
            assert str(path) in str(error) or pytest.fail(f"byte {position}: {error}")  # noqa: PT017
        else:  # a blank that pads the header, or the like
            assert made == MADE
            torch.testing.assert_close(state["fc.weight"], a_state()["fc.weight"], rtol=0, atol=0)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=str(path)):
            storage.load(path)


def test_another_kind_of_file_is_refused_and_a_missing_one_is_missing(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=str(tmp_path / "foreign.safetensors")):
        storage.load(tmp_path / "foreign.safetensors")
    with pytest.raises(FileNotFoundError):
        storage.load(tmp_path / "none.safetensors")
