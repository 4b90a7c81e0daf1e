"""Promise: where NaN or infinity arises in the inversion of an image, that image is named and left out, alone."""

import json

import h5py
import numpy as np
import pytest

from realgap.store import shards


@pytest.fixture
def overflowing(tmp_path, invert_arguments):
    """The command line of an inversion in which image 9, of 4, 9 and 2, overflows; with a share that may fail."""
    given = shards.read(tmp_path / "moments.h5", "moments")
    arrays = {name: array.copy() for name, array in given.arrays.items()}
    arrays["mean"][1] *= 1e30
    shards.write(tmp_path / "overflowing.h5", "moments", arrays, {"step": "test"})

    def command(out, share):
        line = invert_arguments(out)
        options = {**json.loads(line[line.index("--options") + 1]), "max_failed_share": share}
        line[line.index("--options") + 1] = json.dumps(options)
        line[line.index("--moments") + 1] = tmp_path / "overflowing.h5"
        return line

    return command


def test_the_image_is_named_and_left_out_and_the_others_are_what_they_were(
    steps, overflowing, invert_arguments, tmp_path
):
    code, said = steps.run("scripts.inversion_invert", *overflowing(tmp_path / "out.h5", 0.4))
    assert code == 0, said
    assert "warning: image 9 of " in said
    assert steps.run("scripts.inversion_invert", *invert_arguments(tmp_path / "all.h5"))[0] == 0
    found, everything = (shards.read(tmp_path / name, "embeddings") for name in ("out.h5", "all.h5"))
    assert found.attributes["failed"] == [9]
    assert everything.attributes["failed"] == []
    assert found["image_ids"].tolist() == [4, 2]
    assert np.isfinite(found["embeddings"]).all()
    # in a batch of another size, so to float tolerance
    np.testing.assert_allclose(found["embeddings"], everything["embeddings"][[0, 2]], atol=1e-4)
    assert (found["visits"] == 60).all()


def test_past_the_share_the_shard_fails_in_one_line_that_names_the_image(steps, overflowing, tmp_path):
    code, said = steps.run("scripts.inversion_invert", *overflowing(tmp_path / "out" / "0.h5", 0.3))
    assert code == 1
    line = said.replace("\r", "\n").splitlines()[-1]
    assert line == (
        f"error: {tmp_path}/overflowing.h5: NaN or infinity arose in 1 of 3 images (9), more than "
        "inversion.max_failed_share, 0.3; a lower inversion.lr or compute.precision fp32 may help"
    )
    assert "Traceback" not in said
    left = list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []
    assert left == [], "a checkpoint would fail again, or refuse the lower rate"


@pytest.mark.long
def test_no_sample_is_drawn_of_it_or_with_it(steps, overflowing, step_arguments, tmp_path):
    module, arguments = step_arguments["sample"]
    assert steps.run(module, *arguments(tmp_path / "all.h5"))[0] == 0
    assert steps.run("scripts.inversion_invert", *overflowing(tmp_path / "embeddings.h5", 0.4))[0] == 0
    code, said = steps.run(module, *arguments(tmp_path / "some.h5"))
    assert code == 0, said
    drawn, everything = (shards.read(tmp_path / name, "images") for name in ("some.h5", "all.h5"))
    assert set(everything["image_ids"].tolist()) == {4, 9, 2}
    assert set(drawn["image_ids"].tolist()) == {4, 2}
    assert len(drawn) == 2 * len(everything) / 3


def test_what_a_vae_or_a_classifier_makes_of_nan_is_refused(steps, step_arguments, tmp_path):
    module, arguments = step_arguments["train"]
    line = arguments(tmp_path / "out" / "c.safetensors")
    at = line.index("--options") + 1
    line[at] = json.dumps({**json.loads(line[at]), "lr": 99.0, "steps": 12})
    code, said = steps.run(module, *line)
    assert code == 1, said
    assert "error: classifier.lr: must be lower, got 99.0: the loss did not stay finite" in said
    assert not (tmp_path / "out").exists()


def test_samples_that_are_no_numbers_are_refused(steps, step_arguments, tmp_path):
    with h5py.File(tmp_path / "embeddings.h5") as file:
        arrays = {name: file[name][()] for name in shards.LAYOUT["embeddings"]}
    arrays["embeddings"][:] = np.nan
    shards.write(tmp_path / "embeddings.h5", "embeddings", arrays, {"failed": []})
    module, arguments = step_arguments["sample"]
    code, said = steps.run(module, *arguments(tmp_path / "out" / "s.h5"))
    assert code == 1
    assert "error: an image came out as NaN or infinity; compute.precision: fp32 may help" in said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
