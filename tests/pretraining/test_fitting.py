"""realgap.pretraining.fitting: what a step draws, and what errors count."""

import math

import numpy as np
import pytest
import torch

from realgap.pretraining import fitting
from realgap.streams import stream
from tests import stable_diffusion
from tests.data.test_screening import photographs


@pytest.fixture
def tiny():
    return stable_diffusion.smallest(["a frog", "a cat"], 6)


def test_images_are_drawn_as_often_as_they_weigh_with_captions_of_their_own():
    rows, picks = fitting.Draw(np.array([1.0, 0, 3]), mirrored=False)(stream(0, "test"), 3, 12, 8000)
    np.testing.assert_allclose(np.bincount(rows) / 8000, [0.25, 0, 0.75], atol=0.02)
    np.testing.assert_array_equal(picks % 3, rows)
    np.testing.assert_allclose(np.bincount(picks // 3) / 8000, 0.25, atol=0.02)


def test_half_of_what_is_drawn_is_mirrored_and_keeps_its_caption():
    rows, picks = fitting.Draw(np.ones(5))(stream(0, "test"), 5, 10, 8000)
    assert (rows >= 5).mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(picks % 5, rows % 5)


def test_mirrored_rows_are_latents_of_mirrored_images(tiny, tmp_path):
    """Trained on images of which only mirrored rows are drawn, and on mirrored images: the same loss."""

    class Mirrored(fitting.Draw):
        def __call__(self, random, images, captions, size):
            rows = random.integers(images, size=size)
            return rows + images * self.mirrored, rows

    images, losses = photographs(12, seed=2, size=16), []
    for given, mirrored in ((images, True), (np.ascontiguousarray(images[:, :, ::-1]), False)):
        draw = Mirrored(np.ones(12), mirrored=mirrored)
        losses.append(train(tiny, given, tmp_path / f"{mirrored}.pt", lr=0.0, draw=draw).losses)
    assert losses[0] == losses[1]


def test_the_error_of_a_clean_image_counts_less_and_that_of_noise_in_full(tiny):
    timesteps = torch.arange(1000)
    kept = tiny.scheduler.alphas_cumprod
    weight = fitting._weight(tiny.scheduler, timesteps, 5)
    assert (weight[kept < 0.8] == 1).all()
    assert (weight[kept > 0.81] < 1).all()
    # a clean image's error counts SNR + 1 in the velocity's, up to five
    torch.testing.assert_close(weight / (1 - kept), (1 / (1 - kept)).clamp(max=5), rtol=1e-4, atol=0)


def test_with_a_limit_the_loss_is_the_weighted_error_and_without_one_as_it_was(tiny, tmp_path):
    images = photographs(12, seed=2, size=16)
    plain = train(tiny, images, tmp_path / "plain.pt", lr=0.0).losses
    never = train(tiny, images, tmp_path / "never.pt", lr=0.0, snr_limit=1e9).losses
    capped = train(tiny, images, tmp_path / "capped.pt", lr=0.0, snr_limit=1.5).losses
    assert never == pytest.approx(plain, rel=1e-5)
    assert all(less < more for less, more in zip(capped, plain, strict=True))


def train(pipeline, images, path, lr, snr_limit=math.inf, draw=None):
    return fitting.train_denoiser(
        pipeline,
        images,
        ["a frog"] * len(images),
        visits=48,
        batch_size=16,
        lr=lr,
        ema_decay=0.5,
        seed=0,
        checkpoint=fitting.Checkpoint(path, "these"),
        snr_limit=snr_limit,
        draw=draw,
    )
