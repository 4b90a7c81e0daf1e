"""Every published family: what is made of it here is what diffusers makes of it, to float tolerance."""

import numpy as np
import pytest
import torch

from realgap import streams
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.base_model.samplers import SAMPLERS
from realgap.diffusion import inversion, sampling
from tests import given
from tests.base_models import published
from tests.base_models.reference import SCHEDULERS, diffusers_pipeline, invert_one

CPU = torch.device("cpu")
PROMPTS = ["a photo of a cat", "A truck, 4 wheels"]
SIZE = 128  # of images; latents (4, 16, 16): at 64 px the lowest level is one place, where norms cancel all


# one of each target; the others where there is time
ALWAYS = ("stable-diffusion-v1-4", "stable-diffusion-2-1")
PARAMETERS = [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.long) for name in published.FAMILIES]


@pytest.fixture(scope="module", params=PARAMETERS)
def family(request, model_of):
    """(folder, its VAE, its UNet) as the project loads them."""
    folder = model_of(request.param)
    return folder, autoencoder.load(folder, CPU, torch.float32), denoiser.load(folder, CPU, torch.float32)


def images(n):
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE, 3), np.uint8)


def test_prompt_embeddings(family):
    folder, _, _ = family
    pipeline = diffusers_pipeline(folder)
    cond, uncond = pipeline.encode_prompt(PROMPTS, CPU, 1, do_classifier_free_guidance=True)
    ours = prompting.embed(folder, [*PROMPTS, ""], CPU)
    assert ours.shape == (3, 77, 32)
    torch.testing.assert_close(ours[:2], cond)
    torch.testing.assert_close(ours[2], uncond[0])


def test_moments_of_the_vae(family):
    folder, vae, _ = family
    pipeline = diffusers_pipeline(folder)
    mean, std = autoencoder.encode(vae, images(2), SIZE)
    with torch.no_grad():
        posterior = pipeline.vae.encode(torch.from_numpy(images(2)).permute(0, 3, 1, 2) / 127.5 - 1).latent_dist
    torch.testing.assert_close(torch.from_numpy(mean), posterior.mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.from_numpy(std), posterior.std, atol=1e-5, rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_latents_and_pixels_of_a_sample(family, name, scale):
    folder, vae, unet = family
    pipeline = diffusers_pipeline(folder, name)
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    settings = {"num_inference_steps": 6, "guidance_scale": scale, "height": SIZE, "width": SIZE}
    items = [(0, 0), (1, 0)]
    own = sampling.generators(items, seed=0)
    latents = pipeline(PROMPTS, latents=noise, generator=own, output_type="latent", **settings).images
    with torch.no_grad():
        pixels = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    pictures = pipeline.image_processor.postprocess(pixels, output_type="np")
    embedded = prompting.embed(folder, [*PROMPTS, ""], CPU).numpy()

    def drawn(decode):
        (result,) = sampling.sample(
            noise.numpy(),
            embedded[:2],
            embedded[2],
            denoiser.predictor(unet),
            schedules.sampler(folder, name),
            decode,
            num_inference_steps=6,
            guidance_scale=scale,
            batch_size=2,
            device=CPU,
            generators=(lambda rows: sampling.generators(items[rows], seed=0)) if SAMPLERS[name].draws else None,
        )
        return result

    torch.testing.assert_close(drawn(lambda latents: latents), latents, atol=1e-4, rtol=1e-4)
    ours = drawn(lambda latents: autoencoder.decode(vae, latents, SIZE))
    assert np.abs(ours - 255 * pictures).max() < 1  # a pixel is rounded


def test_visits_of_stage_1(family):
    """Three visits of realgap.inversion against a plain loop over diffusers' parts, given the same draws.

    One image a batch, as in the loop: a batch adds in another order, and Adam magnifies what is left of rounding.
    """
    folder, vae, unet = family
    pipeline = diffusers_pipeline(folder)
    pipeline.unet.requires_grad_(False)
    mean, std = autoencoder.encode(vae, images(2), SIZE)
    alphas_cumprod, prediction_type = schedules.noise(folder)
    assert prediction_type == pipeline.scheduler.config.prediction_type
    ids, visits, seed = np.array([3, 8]), 3, 5
    start = inversion.random_start(ids, 5, 32, 0.1, seed)
    state = inversion.begin(start, visits)
    optimised = {"lr": 0.03, "weight_decay": 0.01}
    run = given.invert(
        state,
        mean,
        std,
        ids,
        denoiser.predictor(unet),
        alphas_cumprod,
        prediction_type=prediction_type,
        scaling_factor=autoencoder.scaling_factor(folder),
        visits=visits,
        lr_schedule="constant",
        timesteps="uniform",
        seed=seed,
        batch_size=1,
        device=CPU,
        **optimised,
    )
    assert list(run)
    for row, image_id in enumerate(ids):
        draws = []
        for visit in range(visits):
            stream = streams.stream(seed, "visit", image_id, visit)
            timestep = int(stream.random() * 1000)
            posterior, noise = torch.from_numpy(streams.normal([stream], (2, 4, 16, 16))[0])
            draws.append((timestep, posterior, noise))
        moments = torch.from_numpy(mean[row]), torch.from_numpy(std[row])
        expected = invert_one(pipeline, *moments, torch.from_numpy(start[row]), draws, **optimised)
        torch.testing.assert_close(torch.from_numpy(state.result()[row]), expected, atol=1e-5, rtol=1e-5)
        assert (expected - torch.from_numpy(start[row])).abs().max() > 0.03  # it has moved
