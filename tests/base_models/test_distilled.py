"""Models that were distilled into few steps: a published layout, with keys and samplers of diffusers 0.2x."""

import pytest
import torch

from realgap.base_model import check, denoiser, prompting, schedules
from realgap.base_model.samplers import SAMPLERS
from realgap.diffusion import sampling
from tests.base_models import published
from tests.base_models.reference import diffusers_pipeline

CPU = torch.device("cpu")
PROMPTS = ["a photo of a cat", "A truck, 4 wheels"]
ITEMS = [(0, 0), (1, 0)]
SCHEDULE = {"beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False}
SCHEDULE |= {"num_train_timesteps": 1000, "prediction_type": "epsilon", "set_alpha_to_one": False, "steps_offset": 1}
SCHEDULE |= {"skip_prk_steps": True, "trained_betas": None}
# keys of SD-Turbo's and Dreamshaper-8-LCM's scheduler_config.json, beside those of the schedule
EULER = {"timestep_spacing": "trailing", "timestep_type": "discrete", "interpolation_type": "linear"}
EULER |= {"use_karras_sigmas": False, "sample_max_value": 1.0}
LCM = {"timestep_spacing": "leading", "original_inference_steps": 50, "timestep_scaling": 10.0, "thresholding": False}
LCM |= {"clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
# what diffusers writes of models that it converted or trained
UNET = {"upcast_attention": None, "attention_type": "default", "dropout": 0.0, "time_cond_proj_dim": None}
UNET |= {"reverse_transformer_layers_per_block": None, "transformer_layers_per_block": 1, "conv_in_kernel": 3}
DISTILLED = {
    "sd-turbo": ("stable-diffusion-2-1-base", "euler", EULER),
    "an LCM-LoRA that was fused into 1.5": ("stable-diffusion-v1-5", "lcm", LCM),
}


@pytest.fixture(params=DISTILLED)
def distilled(request, copy_of):
    """(folder, the sampler that it is published with)."""
    family, name, scheduler = DISTILLED[request.param]
    folder, kind = copy_of(family), SAMPLERS[name].kind
    published.change(folder, "unet/config.json", **UNET)
    published.write_json(folder / "scheduler/scheduler_config.json", {"_class_name": kind, **SCHEDULE, **scheduler})
    nobody = {"image_encoder": [None, None], "safety_checker": [None, None], "feature_extractor": [None, None]}
    published.change(folder, "model_index.json", scheduler=["diffusers", kind], **nobody)
    return folder, name


@pytest.mark.parametrize("steps", [1, 4])
def test_latents_are_those_of_its_own_pipeline(distilled, steps):
    folder, name = distilled
    check.check(folder, 128)
    pipeline = diffusers_pipeline(folder)
    assert type(pipeline.scheduler).__name__ == SAMPLERS[name].kind
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    theirs = pipeline(
        PROMPTS,
        latents=noise,
        generator=sampling.generators(ITEMS, seed=0),
        num_inference_steps=steps,
        guidance_scale=0.0,
        height=128,
        width=128,
        output_type="latent",
    ).images
    embedded = prompting.embed(folder, [*PROMPTS, ""], CPU).numpy()
    (ours,) = sampling.sample(
        noise.numpy(),
        embedded[:2],
        embedded[2],
        denoiser.predictor(denoiser.load(folder, CPU, torch.float32)),
        schedules.sampler(folder, name),
        torch.clone,
        num_inference_steps=steps,
        guidance_scale=1.0,
        batch_size=2,
        device=CPU,
        generators=(lambda rows: sampling.generators(ITEMS[rows], seed=0)) if SAMPLERS[name].draws else None,
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
