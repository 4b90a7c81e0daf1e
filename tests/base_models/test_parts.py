"""realgap.base_model: a frozen Stable Diffusion, part by part, as diffusers itself would run it."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from PIL import Image

from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.base_model.samplers import SAMPLERS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def vae(base_model):
    return autoencoder.load(base_model, CPU, torch.float32)


@pytest.fixture(scope="module")
def unet(base_model):
    return denoiser.load(base_model, CPU, torch.float32)


def random_images(n, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def test_parts_are_frozen_in_evaluation_mode_and_of_the_precision_asked_for(base_model, vae, unet):
    for part in (vae, unet):
        assert not part.training
        assert not any(parameter.requires_grad for parameter in part.parameters())
    assert denoiser.load(base_model, CPU, torch.bfloat16).dtype == torch.bfloat16


def test_the_denoiser_is_the_unet_and_gradients_reach_the_conditioning_only(base_model, unet):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    conditioning = torch.randn(2, 3, 8, generator=generator).requires_grad_()
    timesteps = torch.tensor([3, 700])
    predicted = denoiser.predictor(unet)(latents, timesteps, conditioning)
    plain = UNet2DConditionModel.from_pretrained(base_model, subfolder="unet")
    torch.testing.assert_close(predicted, plain(latents, timesteps, conditioning).sample)
    predicted.sum().backward()
    assert conditioning.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in unet.parameters())


def test_half_precision_predicts_in_float32(base_model):
    unet = denoiser.load(base_model, CPU, torch.bfloat16)
    predicted = denoiser.predictor(unet)(torch.zeros(1, 4, 8, 8), torch.tensor([5]), torch.ones(1, 3, 8))
    assert predicted.dtype == torch.float32
    assert predicted.isfinite().all()


def test_attention_written_out_is_no_further_from_float32_than_the_fused_one(base_model, unet):
    """In bf16 on a CPU, the one place where it is used; a mask leaves what there is without the masked tokens."""
    generator = torch.Generator().manual_seed(0)
    latents, timesteps = torch.randn(8, 4, 8, 8, generator=generator), torch.arange(0, 1_000, 125)
    conditioning = 3 * torch.randn(8, 5, 8, generator=generator)
    mask = torch.ones(8, 5, dtype=torch.bool)
    mask[:, 2:] = False
    written, fused = (denoiser.load(base_model, CPU, torch.bfloat16) for _ in range(2))
    fused.set_attn_processor(AttnProcessor2_0())
    processors = [{type(used) for used in loaded.attn_processors.values()} for loaded in (written, unet)]
    assert processors == [{AttnProcessor}, {AttnProcessor2_0}]
    for tokens, given in ((5, None), (2, mask)):
        exact = denoiser.predictor(unet)(latents, timesteps, conditioning[:, :tokens])
        ours, theirs = (denoiser.predictor(half)(latents, timesteps, conditioning, given) for half in (written, fused))
        assert 0 < (ours - exact).norm() < 1.2 * (theirs - exact).norm()
        assert (ours - exact).norm() < 0.05 * exact.norm()


def test_encoding_is_that_of_diffusers_and_ignores_the_batch(base_model, vae):
    images = random_images(3, 16)
    mean, std = autoencoder.encode(vae, images, resolution=16)
    assert (mean.shape, std.shape) == ((3, 4, 8, 8),) * 2
    assert (mean.dtype, std.dtype) == (np.float32,) * 2
    plain = AutoencoderKL.from_pretrained(base_model, subfolder="vae").eval()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        posterior = plain.encode(pixels).latent_dist
    np.testing.assert_allclose(mean, posterior.mean, atol=1e-5)
    np.testing.assert_allclose(std, posterior.std, atol=1e-5)
    np.testing.assert_allclose(autoencoder.encode(vae, images[1:2], 16)[0][0], mean[1], atol=1e-5)


def test_images_are_resized_to_the_resolution_like_pillow_does(vae):
    """Bicubic with antialiasing: Pillow's kernel has the same support, with another sharpness (-0.5 for -0.75)."""
    smooth = np.asarray(Image.fromarray(random_images(1, 4)[0]).resize((32, 32), Image.Resampling.BICUBIC))
    pixels = torch.from_numpy(smooth[None].copy()).permute(0, 3, 1, 2).float()
    for size in (16, 48):
        ours = autoencoder._resize(pixels, size)[0].permute(1, 2, 0).clamp(0, 255)
        theirs = np.asarray(Image.fromarray(smooth).resize((size, size), Image.Resampling.BICUBIC))
        assert np.abs(ours.numpy() - theirs).mean() < 2  # of 255
    assert autoencoder.encode(vae, smooth[None].copy(), resolution=16)[0].shape == (1, 4, 8, 8)


def test_decoding_is_that_of_diffusers_and_of_the_size_asked_for(base_model, vae):
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    decoded = autoencoder.decode(vae, latents, image_size=16)
    plain = AutoencoderKL.from_pretrained(base_model, subfolder="vae").eval()
    with torch.no_grad():
        pixels = plain.decode(latents / plain.config.scaling_factor).sample
    expected = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().permute(0, 2, 3, 1)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - expected.numpy()).max() <= 1
    assert autoencoder.decode(vae, latents, image_size=12).shape == (2, 12, 12, 3)


def test_prompts_are_embedded_as_the_pipeline_does(base_model):
    prompts = ["a photo of one", "two", ""]
    ours = prompting.embed(base_model, prompts, CPU)
    pipeline = StableDiffusionPipeline.from_pretrained(base_model, safety_checker=None)
    theirs, _ = pipeline.encode_prompt(prompts, CPU, 1, do_classifier_free_guidance=False)
    assert ours.shape == (3, 8, 8)
    torch.testing.assert_close(ours, theirs)


def test_the_noise_schedule_is_the_one_in_the_folder(base_model):
    alphas_cumprod, kind = schedules.noise(base_model)
    scheduler = DDPMScheduler.from_pretrained(base_model, subfolder="scheduler")
    torch.testing.assert_close(alphas_cumprod, scheduler.alphas_cumprod, rtol=0, atol=0)
    assert kind == scheduler.config.prediction_type
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2  # "scaled_linear"
    torch.testing.assert_close(alphas_cumprod.double(), (1 - betas).cumprod(0), rtol=1e-4, atol=0)


def test_the_scaling_factor_is_that_of_the_vae(base_model, vae):
    assert autoencoder.scaling_factor(base_model) == vae.config.scaling_factor


def with_config(base_model, folder, part, **changes):
    shutil.copytree(base_model, folder)
    (path,) = (folder / part).glob("*config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_has_the_noise_schedule_and_target_of_the_base_model(base_model, tmp_path, name, kind):
    folder = with_config(base_model, tmp_path / "model", "scheduler", prediction_type=kind, beta_end=0.02)
    scheduler = schedules.sampler(folder, name)
    torch.testing.assert_close(scheduler.alphas_cumprod, schedules.noise(folder)[0])
    assert scheduler.config.prediction_type == kind
    assert schedules.noise(folder)[1] == kind


def test_a_target_that_is_not_known_is_refused(base_model, tmp_path):
    folder = with_config(base_model, tmp_path / "model", "scheduler", prediction_type="sample")
    with pytest.raises(ValueError, match="prediction_type must be epsilon or v_prediction, got sample"):
        schedules.noise(folder)


def test_latents_have_the_shape_that_encoding_gives(base_model, vae, unet):
    for resolution in (16, 32):
        mean, _ = autoencoder.encode(vae, random_images(1, resolution), resolution)
        assert denoiser.latent_shape(base_model, vae, unet, resolution) == mean.shape[1:]


def test_a_resolution_or_parts_that_do_not_fit_are_refused(base_model, vae, unet):
    with pytest.raises(ValueError, match=r"base_model\.resolution: must be a multiple of 4 for .*, got 18"):
        denoiser.latent_shape(base_model, vae, unet, 18)
    other = SimpleNamespace(config=SimpleNamespace(in_channels=5, block_out_channels=(8, 8)))
    with pytest.raises(ValueError, match="same number of latent channels, got VAE 4, UNet 5"):
        denoiser.latent_shape(base_model, vae, other, 16)


@pytest.mark.parametrize(
    ("part", "load"),
    [
        ("vae", lambda folder: autoencoder.load(folder, CPU, torch.float32)),
        ("vae", autoencoder.scaling_factor),
        ("unet", lambda folder: denoiser.load(folder, CPU, torch.float32)),
        ("tokenizer", lambda folder: prompting.embed(folder, ["x"], CPU)),
        ("text_encoder", lambda folder: prompting.embed(folder, ["x"], CPU)),
        ("scheduler", schedules.noise),
        ("scheduler", lambda folder: schedules.sampler(folder, "ddim")),
    ],
)
def test_a_missing_part_is_one_line_that_names_folder_and_part(base_model, tmp_path, part, load):
    shutil.copytree(base_model, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / part)
    with pytest.raises(ValueError, match=rf"base_model\.path: {tmp_path}/model must .* {part}/") as caught:
        load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_one_line_that_names_the_part(base_model, tmp_path):
    shutil.copytree(base_model, tmp_path / "model")
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ValueError, match=f"{tmp_path}/model/unet: could not be loaded") as caught:
        denoiser.load(tmp_path / "model", CPU, torch.float32)
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_never_loaded(base_model, tmp_path):
    shutil.copytree(base_model, tmp_path / "model")
    part = tmp_path / "model" / "vae"
    state = autoencoder.load(base_model, CPU, torch.float32).state_dict()
    (part / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(state, part / "diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match=f"{part}: must hold weights as safetensors, got .*bin, a pickle"):
        autoencoder.load(tmp_path / "model", CPU, torch.float32)
