"""realgap.store.checkpoints: where a long step stands, and that it goes on from there to the same bytes."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from realgap.store.checkpoints import STOPS, Checkpoint

MADE = {"step": "test", "options": {"lr": 0.03, "seed": 0}}


@dataclass
class State:
    values: np.ndarray
    part: int = 0
    momentum: np.ndarray | None = None


STATE = State(np.arange(6, dtype=np.float32).reshape(2, 3), part=4)


@pytest.fixture(autouse=True)
def _restored_signals():
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_there_is_nothing_to_go_on_from_at_first(tmp_path):
    assert Checkpoint(tmp_path / "out.h5", MADE).load(State) is None


def test_the_state_that_is_loaded_is_the_one_that_was_saved(tmp_path):
    Checkpoint(tmp_path / "out.h5", MADE).save(STATE)
    loaded = Checkpoint(tmp_path / "out.h5", MADE).load(State)
    np.testing.assert_array_equal(loaded.values, STATE.values, strict=True)
    assert (loaded.part, loaded.momentum) == (4, None)


def test_a_checkpoint_is_one_hidden_file_beside_the_output_until_it_is_removed(tmp_path):
    checkpoint = Checkpoint(tmp_path / "out.h5", MADE)
    checkpoint.save(STATE)
    assert os.listdir(tmp_path) == [".out.h5.checkpoint.safetensors"]
    checkpoint.remove()
    checkpoint.remove()
    assert os.listdir(tmp_path) == []


def test_an_offer_is_taken_only_when_it_is_time(tmp_path):
    Checkpoint(tmp_path / "late.h5", MADE, every_s=3600).offer(lambda: STATE)
    assert os.listdir(tmp_path) == []
    Checkpoint(tmp_path / "now.h5", MADE, every_s=0).offer(lambda: STATE)
    assert os.listdir(tmp_path) == [".now.h5.checkpoint.safetensors"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leads_to_a_last_checkpoint_and_exit_143(tmp_path, number, capsys):
    checkpoint = Checkpoint(tmp_path / "out.h5", MADE, every_s=3600)
    os.kill(os.getpid(), number)
    with pytest.raises(SystemExit, match="143"):
        checkpoint.offer(lambda: STATE)
    assert Checkpoint(tmp_path / "out.h5", MADE).load(State).part == 4
    assert str(checkpoint.path) in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    checkpoint = Checkpoint(tmp_path / "out.h5", MADE)
    checkpoint.save(STATE)
    whole = checkpoint.path.read_bytes()
    for position in range(0, len(whole), 2):
        altered = bytearray(whole)
        altered[position] ^= 1 << position % 8
        checkpoint.path.write_bytes(altered)
        try:
            loaded = checkpoint.load(State)
        except ValueError as error:
            named = str(checkpoint.path) in str(error) and "delete it to start anew" in str(error)
            assert named or pytest.fail(f"byte {position}: {error}")  # noqa: PT017
        else:
            np.testing.assert_array_equal(loaded.values, STATE.values)
    for length in range(0, len(whole), 11):
        checkpoint.path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=str(checkpoint.path)):
            checkpoint.load(State)


def test_a_step_of_other_options_than_its_checkpoint_starts_anew_and_says_which(tmp_path, capsys):
    Checkpoint(tmp_path / "out.h5", MADE).save(STATE)
    other = {"step": "test", "options": {"lr": 0.1, "seed": 0}}
    checkpoint = Checkpoint(tmp_path / "out.h5", other)
    assert checkpoint.load(State) is None
    said = capsys.readouterr().err
    assert said == f"starts anew: {checkpoint.path} was made with options.lr 0.03, now 0.1\n"
    checkpoint.save(State(STATE.values + 1))
    assert Checkpoint(tmp_path / "out.h5", other).load(State).part == 0


@pytest.mark.long
def test_a_step_told_to_stop_goes_on_to_the_same_bytes(tmp_path, invert_arguments, run_step):
    run_step("scripts.inversion_invert", *invert_arguments(tmp_path / "reference.h5"))

    out = tmp_path / "stopped.h5"
    command = [sys.executable, "-m", "scripts.inversion_invert", *invert_arguments(out)]
    step = subprocess.Popen(command, stderr=subprocess.PIPE)
    said = b""
    while b"inverting" not in said:  # the progress bar, which has no line ends
        said += os.read(step.stderr.fileno(), 1000) or pytest.fail(said.decode())
    step.send_signal(signal.SIGTERM)
    said += step.communicate()[1]
    assert step.returncode == 143, said
    assert b"Traceback" not in said
    assert not out.exists()
    assert (tmp_path / ".stopped.h5.checkpoint.safetensors").exists()

    run_step("scripts.inversion_invert", *invert_arguments(out))
    assert out.read_bytes() == (tmp_path / "reference.h5").read_bytes()
    assert not (tmp_path / ".stopped.h5.checkpoint.safetensors").exists()
