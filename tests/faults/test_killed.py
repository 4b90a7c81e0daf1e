"""Promise: a step or a whole run that is killed leaves nothing half-written, and run again ends in the same bytes."""

import random
import signal
import time

import pytest

SHARE = {"invert": 0.35, "sample": 0.25, "train": 0.25, "assemble": 0.15}  # of all kills


@pytest.mark.parametrize("name", SHARE)
def test_a_step_killed_at_any_moment_ends_in_the_same_bytes(steps, step_arguments, tmp_path, name, request):
    module, arguments = step_arguments[name]
    suffix = ".safetensors" if name == "train" else ".h5"
    reference, out = (tmp_path / folder / f"out{suffix}" for folder in ("unbroken", "killed"))
    begun = time.monotonic()
    code, said = steps.run("eager", module, *arguments(reference))
    lasted_s = time.monotonic() - begun
    assert code == 0, said
    whole = reference.read_bytes()

    kills = round(SHARE[name] * request.config.getoption("--kills"))
    moments, done = random.Random(name), 0
    for _ in range(20 * kills):
        client = steps.begin("eager", module, *arguments(out))
        number = moments.choice([signal.SIGKILL, signal.SIGTERM])
        done += steps.kill(client, number, moments.uniform(0, lasted_s))
        visible = [path for path in out.parent.iterdir() if path.name[0] != "."] if out.parent.exists() else []
        assert visible in ([], [out]), "something is there that is not the output"
        if visible:
            assert out.read_bytes() == whole, "half-written under its final name"
            out.unlink()
        if done == kills:
            break
    assert done == kills, f"only {done} kills of {kills} met a running step"

    code, said = steps.run("eager", module, *arguments(out))
    assert code == 0, said
    assert out.read_bytes() == whole
