"""Mutants: a config of today without one of the keys that published configs lack gives the same results.

And weights: what a part lacks, or has too much, is refused by its name.
"""

import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from realgap.base_model import autoencoder, check, denoiser, prompting, schedules
from realgap.base_model.samplers import SAMPLERS
from realgap.cost import plan
from tests import given
from tests.base_models import published
from tests.cost.test_plan import study

CPU = torch.device("cpu")
FAMILY = "stable-diffusion-v1-4"  # its configs have the fewest keys
CONFIGS = {part: f"{part}/config.json" for part in published.WEIGHTS} | {"scheduler": "scheduler/scheduler_config.json"}
CLASSES = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "scheduler": PNDMScheduler,
}


def modern(folder, part):
    """A part's config as the library of today writes it."""
    config = CLASSES[part].from_pretrained(str(folder / part)).config
    return json.loads(config.to_json_string(use_diff=False) if part == "text_encoder" else json.dumps(dict(config)))


def keys_of(part):
    """What today's configs have and the published one lacks; names alone, known before any test is run."""
    if part == "text_encoder":
        new = {"use_cache", "return_dict", "output_attentions", "chunk_size_feed_forward", "projection_dim", "dtype"}
    else:
        new = set(CLASSES[part]._get_init_keys(CLASSES[part])) - {"self"}
    return sorted(new - set(published.files(FAMILY)[CONFIGS[part]]))


def results(folder, part):
    """All that is made of a part here."""
    if part == "unet":
        unet = denoiser.load(folder, CPU, torch.float32)
        generator = torch.Generator().manual_seed(0)
        latents, tokens = (torch.randn(2, *shape, generator=generator) for shape in ((4, 16, 16), (5, 32)))
        with torch.no_grad():
            return [denoiser.predictor(unet)(latents, torch.tensor([3, 700]), tokens)]
    if part == "vae":
        vae = autoencoder.load(folder, CPU, torch.float32)
        images = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
        moments = [torch.from_numpy(array) for array in autoencoder.encode(vae, images, 64)]
        factor = autoencoder.scaling_factor(folder)
        return [*moments, torch.tensor(factor), torch.from_numpy(autoencoder.decode(vae, moments[0] * factor, 64))]
    if part == "text_encoder":
        return [prompting.embed(folder, ["a photo of a cat"], CPU)]
    alphas_cumprod, kind = schedules.noise(folder)
    made = [alphas_cumprod, torch.tensor(kind == "epsilon")]
    for name in SAMPLERS:
        scheduler = schedules.sampler(folder, name)
        scheduler.set_timesteps(7)
        sample = torch.linspace(-1, 1, 16).view(1, 1, 4, 4)
        drawn = {"generator": torch.Generator().manual_seed(0)} if SAMPLERS[name].draws else {}
        for t in scheduler.timesteps:
            sample = scheduler.step(sample.cos(), t, sample, return_dict=False, **drawn)[0]
        made += [scheduler.timesteps, sample]
    return made


@pytest.fixture(scope="module")
def usual(model_of):
    """What the published folder gives, part by part."""
    return {part: results(model_of(FAMILY), part) for part in CONFIGS}


@pytest.mark.parametrize(("part", "key"), [(part, key) for part in CONFIGS for key in keys_of(part)])
def test_dropping_a_key_that_old_configs_lack_changes_nothing(model_of, copy_of, usual, part, key):
    folder = copy_of(FAMILY)
    config = modern(folder, part)
    assert config.pop(key, "lacks it") != "lacks it" or part == "text_encoder"
    published.write_json(folder / CONFIGS[part], config)
    check.check(folder, 128)
    torch.testing.assert_close(results(folder, part), usual[part], rtol=0, atol=0)
    assert planned(folder) == planned(model_of(FAMILY))


def planned(folder):
    model = {"path": str(folder), "hub": None, "revision": None, "resolution": 128}
    return {name: work.flops for name, work in given.planned(plan.Plan(study("cifar10", base_model=model))).items()}


def test_there_are_such_keys_of_every_part():
    assert "scaling_factor" in keys_of("vae")
    assert "norm_num_groups" in keys_of("vae")
    assert "mid_block_type" in keys_of("unet")
    assert {"prediction_type", "set_alpha_to_one", "timestep_spacing"} <= set(keys_of("scheduler"))


LOADS = {
    "unet": lambda folder: denoiser.load(folder, CPU, torch.float32),
    "vae": lambda folder: autoencoder.load(folder, CPU, torch.float32),
    "text_encoder": lambda folder: prompting.embed(folder, ["x"], CPU),
}
LOST = {
    "unet": "up_blocks.1.resnets.0.conv1.weight",
    "vae": "decoder.mid_block.attentions.0.proj_attn.weight",
    "text_encoder": "text_model.encoder.layers.0.mlp.fc1.bias",
}


@pytest.mark.parametrize("part", LOST)
def test_weights_that_are_missing_are_named(copy_of, part):
    """Both libraries would go on with random numbers in their place."""
    folder = copy_of()
    tensors = published.weights(folder, part)
    del tensors[LOST[part]]
    published.store(folder, part, tensors)
    today = LOST[part].replace("proj_attn", "to_out.0").removeprefix("text_model.")
    with pytest.raises(ValueError, match=rf"{folder}/{part}: must hold the weights of .*; missing: (\S*\.)?{today}$"):
        LOADS[part](folder)


@pytest.mark.parametrize("part", LOST)
def test_weights_that_do_not_belong_there_are_named(copy_of, part):
    folder = copy_of()
    extra = {"lora.up.weight": torch.zeros(2), "lora.down.weight": torch.zeros(2)}
    published.store(folder, part, published.weights(folder, part) | extra)
    with pytest.raises(ValueError, match=rf"{folder}/{part}: must hold .*; unexpected: (\S*\.)?lora.down.weight and 1"):
        LOADS[part](folder)


@pytest.mark.parametrize("part", LOST)
def test_weights_of_another_shape_are_named(copy_of, part):
    folder = copy_of()
    published.store(folder, part, published.weights(folder, part) | {LOST[part]: torch.zeros(3)})
    today = LOST[part].replace("proj_attn", "to_out.0").removeprefix("text_model.")
    with pytest.raises(ValueError, match=rf"{folder}/{part}: must hold .*; of another shape: (\S*\.)?{today}$"):
        LOADS[part](folder)


@pytest.mark.parametrize("part", LOST)
def test_half_precision_alone_is_loaded(copy_of, model_of, part):
    folder = published.add_fp16(copy_of(), instead=True)
    loaded, full = LOADS[part](folder), LOADS[part](model_of(FAMILY))
    if part == "text_encoder":
        torch.testing.assert_close(loaded, full, rtol=0, atol=0.02)
        return
    for ours, theirs in zip(loaded.parameters(), full.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.half().float(), rtol=0, atol=0)


def test_old_names_in_several_files_are_refused(copy_of):
    """diffusers translates them in one file alone, and would go on with random numbers."""
    folder = published.shard(copy_of(), "vae")
    with pytest.raises(ValueError, match=r"vae: must hold .*; missing: decoder\.mid_block\.attentions\.0\.to_k"):
        autoencoder.load(folder, CPU, torch.float32)
