"""realgap.pretraining.handover: the state of a training in pieces for a repository."""

import json

import pytest
import torch

from realgap.pretraining import fitting, handover

STEPS = 12


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.SiLU(), torch.nn.Linear(128, 64))


def fit(model, checkpoint, seconds=float("inf")):
    def loss_at(step):
        x = torch.randn((16, 64), generator=torch.Generator().manual_seed(step))
        return (model(x) - x.roll(1, dims=1)).square().mean()

    return fitting.fit(model, loss_at, STEPS, 1e-2, 0.9, checkpoint, falling=0.2, seconds=seconds)


def checkpoint(folder, name):
    return fitting.Checkpoint(folder / f"{name}.pt", settings="these")


@pytest.fixture
def paused(tmp_path):
    """A training of 12 steps that has paused after the first, because no time was left."""
    at = checkpoint(tmp_path, "first")
    assert len(fit(network(), at, seconds=0).losses) == 1
    return at


def test_a_training_pauses_with_a_checkpoint_and_goes_on_to_the_weights_of_an_unbroken_one(paused, tmp_path):
    went_on, unbroken = network(), network()
    assert len(fit(went_on, paused).losses) == STEPS
    fit(unbroken, checkpoint(tmp_path, "unbroken"))
    torch.testing.assert_close(went_on.state_dict(), unbroken.state_dict(), rtol=0, atol=0)


def test_from_the_same_pieces_a_training_goes_on_to_the_same_weights_bit_for_bit(paused, tmp_path):
    handover.write(paused.path, tmp_path / "state")
    weights = []
    for name in ("here", "there"):
        at, model = checkpoint(tmp_path, name), network()
        handover.read(tmp_path / "state", at.path, "these")
        assert at.done() == handover.done(tmp_path / "state") == 1
        assert len(fit(model, at).losses) == STEPS
        weights.append(model.state_dict())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_what_comes_out_of_the_pieces_is_the_checkpoint_but_for_rounding(paused, tmp_path):
    handover.write(paused.path, tmp_path / "state")
    handover.read(tmp_path / "state", tmp_path / "back.pt", "these")
    before, after = (torch.load(path, weights_only=True) for path in (paused.path, tmp_path / "back.pt"))
    for name in ("settings", "steps", "seconds"):
        assert after[name] == before[name]
    assert after["losses"] == pytest.approx(before["losses"], rel=1e-3)
    torch.testing.assert_close(after["states"]["module"], before["states"]["module"], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after["states"]["average"], before["states"]["average"], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(after["states"]["optimiser"], before["states"]["optimiser"], rtol=1e-2, atol=1e-8)


def test_pieces_hold_to_their_size_and_take_half_of_the_checkpoint(paused, tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "PIECE", 50_000)
    handover.write(paused.path, tmp_path / "state")
    sizes = [path.stat().st_size for path in sorted((tmp_path / "state").glob("state-*"))]
    assert len(sizes) > 1
    assert max(sizes) == 50_000
    assert sum(sizes) < 0.55 * paused.path.stat().st_size
    handover.read(tmp_path / "state", tmp_path / "back.pt", "these")


def test_a_later_state_takes_the_place_of_the_one_before(paused, tmp_path):
    handover.write(paused.path, tmp_path / "state")
    fit(network(), paused)
    handover.write(paused.path, tmp_path / "state")
    assert handover.done(tmp_path / "state") == STEPS
    assert [path.name for path in (tmp_path / "state").glob("state-*")] == ["state-0000012.00"]


def test_a_damaged_or_missing_piece_is_one_line(paused, tmp_path):
    handover.write(paused.path, tmp_path / "state")
    piece = next((tmp_path / "state").glob("state-*"))
    content = bytearray(piece.read_bytes())
    content[1000] ^= 1
    for broken in (bytes(content), None):
        piece.write_bytes(broken) if broken else piece.unlink()
        with pytest.raises(ValueError, match=rf"{piece.name}: must be the piece that state\.json names") as found:
            handover.read(tmp_path / "state", tmp_path / "never.pt", "these")
        assert "\n" not in str(found.value)
    assert not (tmp_path / "never.pt").exists()


def test_a_state_of_other_settings_is_one_line(paused, tmp_path):
    handover.write(paused.path, tmp_path / "state")
    with pytest.raises(ValueError, match=r"state\.json: must be of a run with the same settings"):
        handover.read(tmp_path / "state", tmp_path / "never.pt", "others")
    index = json.loads((tmp_path / "state" / "state.json").read_text())
    (tmp_path / "state" / "state.json").write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(ValueError, match="same settings"):
        handover.read(tmp_path / "state", tmp_path / "never.pt", "these")


def test_without_a_state_nothing_is_made(tmp_path):
    assert handover.done(tmp_path) == 0
    handover.read(tmp_path, tmp_path / "never.pt", "these")
    assert not (tmp_path / "never.pt").exists()
