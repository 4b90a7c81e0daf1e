"""inversion_encode and sampling_reconstruct: real images through the VAE, whatever the device's memory."""

import json

import numpy as np
import pytest
import torch

from realgap.base_model import autoencoder
from realgap.store import shards
from tests import given


@pytest.fixture
def through_vae(run_step, images_shard, base_model, tmp_path):
    """Encodes and reconstructs 5 images; the moments and the images that come out."""
    images = images_shard("real.h5", n=5, size=16)
    common = given.COMPUTE

    def run(name):
        out = tmp_path / f"{name}-moments.h5", tmp_path / f"{name}-images.h5"
        model = ("--base-model", base_model / "model_index.json")
        options = json.dumps({"resolution": 16, **common})
        run_step("scripts.inversion_encode", "--images", images, *model, "--options", options, "--out", out[0])
        options = json.dumps({"source": "vae_only", "image_size": 16, "images": None, **common})
        run_step("scripts.sampling_reconstruct", "--moments", out[0], *model, "--options", options, "--out", out[1])
        return shards.read(out[0], "moments"), shards.read(out[1], "images")

    return run


def test_a_device_that_holds_two_images_gives_what_one_that_holds_all_gives(through_vae, monkeypatch, capfd):
    moments, images = through_vae("all")
    for name in ("encode", "decode"):
        original = getattr(autoencoder, name)

        def small_device(vae, batch, size, original=original):
            if len(batch) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return original(vae, batch, size)

        monkeypatch.setattr(autoencoder, name, small_device)
    few_moments, few_images = through_vae("few")
    told = capfd.readouterr().err
    assert told.count("out of memory with 5 images at once, going on with 2\n") == 1
    assert told.count("out of memory with 5 images to decode at once, going on with 2\n") == 1
    np.testing.assert_allclose(few_moments["mean"], moments["mean"], atol=1e-5)
    np.testing.assert_array_equal(few_moments["image_ids"], moments["image_ids"])
    assert abs(few_images["images"].astype(int) - images["images"]).max() <= 1
