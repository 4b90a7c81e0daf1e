"""What several test modules share: a tiny base model with random weights, and tiny shards."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def base_model(tmp_path_factory):
    """A folder in diffusers' layout: 16 px images, latents (4, 8, 8), prompts of 8 tokens of width 8."""
    from realgap import miniature

    tokenizer = miniature.make_tokenizer(["one", "two"], max_tokens=8)
    pipeline = miniature.assemble(
        miniature.make_vae(16, (8, 8), seed=0),
        miniature.make_text_encoder(tokenizer, width=8, layers=1, seed=0),
        tokenizer,
        miniature.make_unet(8, (8, 8), width=8, seed=0),
    )
    folder = tmp_path_factory.mktemp("base model")
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture
def images_shard(tmp_path):
    """Writes shards of random images: images_shard("a.h5", n=3, label=0, first_id=0, source="real")."""
    from realgap import shards

    def write(name, n=3, label=0, first_id=0, source="real", size=6):
        path = tmp_path / name
        arrays = {
            "images": np.random.default_rng(first_id).integers(0, 256, (n, size, size, 3), np.uint8),
            "labels": np.full(n, label, np.int64),
            "image_ids": np.arange(first_id, first_id + n),
            "variants": np.zeros(n, np.int32),
        }
        shards.write(path, "images", arrays, {"step": "test", "source": source})
        return path

    return write


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory):
    """A copy of the checkout in which the reduced digits study has run to its report."""
    from tests import checkout

    folder = checkout.copy(tmp_path_factory.mktemp("study") / "checkout")
    run = checkout.snakemake(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder
