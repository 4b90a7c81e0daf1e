"""realgap.pretraining.latents: directions of latents as large as what they are worth in pixels."""

import copy

import numpy as np
import pytest
import torch

from realgap.pretraining import fitting, latents, miniature
from tests.data.test_screening import photographs


@pytest.fixture(scope="module")
def images():
    return photographs(48, seed=1, size=16)


@pytest.fixture(scope="module")
def vae(images, tmp_path_factory):
    vae = miniature.make_vae(16, (8, 8), seed=0, latent_channels=3)
    at = fitting.Checkpoint(tmp_path_factory.mktemp("vae") / "vae.pt", "these")
    fitting.train_vae(
        vae, images, visits=640, batch_size=16, lr=1e-2, kl_weight=1e-3, ema_decay=0.5, seed=0, checkpoint=at
    )
    return vae


def back(vae, images):
    with torch.no_grad():
        return vae.decode(fitting.encode(vae, images)[0]).sample


@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_images_come_out_as_before(vae, images, power):
    weighed = copy.deepcopy(vae)
    latents.weigh(weighed, images, power, seed=0)
    torch.testing.assert_close(back(weighed, images), back(vae, images), rtol=0, atol=1e-3)


def test_latents_come_out_centred_and_with_unit_spread(vae, images):
    weighed = copy.deepcopy(vae)
    latents.weigh(weighed, images, 0.5, seed=0)
    mean, std = fitting.encode(weighed, images)
    drawn = (mean + std * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))).mul(
        weighed.config.scaling_factor
    )
    assert drawn.std().item() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(drawn.mean(dim=(0, 2, 3)), 0, atol=0.05)


def test_the_posterior_s_spread_stays_that_of_the_mean_image(vae, images):
    weighed = copy.deepcopy(vae)
    latents.weigh(weighed, images, 0, seed=0)  # rotates nothing: the stretch is the identity
    before, after = (fitting.encode(one, images)[1].square().mean(dim=(0, 2, 3)) for one in (vae, weighed))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=0)


def test_with_power_1_every_direction_is_worth_the_same_in_pixels_and_with_0_none_is_changed(vae, images):
    def uneven(one):
        values = torch.linalg.eigvalsh(latents.response(one, fitting.encode(one, images)[0], seed=0))
        return (values.max() / values.min()).item()

    as_it_was, found = uneven(vae), []
    for power in (0, 0.5, 1):
        weighed = copy.deepcopy(vae)
        latents.weigh(weighed, images, power, seed=0)
        found.append(uneven(weighed))
    assert as_it_was > 1.5
    assert found[0] == pytest.approx(as_it_was, rel=0.02)
    assert found[0] > found[1] > found[2]
    assert found[2] < 1 + 0.3 * (as_it_was - 1)


class Linear:
    """A decoder whose response is known: pixels are a matrix times the channels of their place."""

    def __init__(self, matrix):
        self.matrix = matrix

    def decode(self, latents):
        class Decoded:
            sample = torch.einsum("pc,nchw->nphw", self.matrix, latents)

        return Decoded


def test_the_response_of_a_linear_decoder_is_its_gram_matrix():
    matrix = torch.tensor([[1.0, 2.0], [0.0, 0.5], [3.0, -1.0]])
    found = latents.response(Linear(matrix), torch.randn(8, 2, 4, 4), seed=0)
    torch.testing.assert_close(found, matrix.T @ matrix / 3, rtol=1e-4, atol=1e-4)
