"""realgap.cost.flops: counted from a configuration, the same as torch counts when it runs the network."""

import json

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model

from realgap.base_model import denoiser, layout
from realgap.classifier import networks
from realgap.cost import flops
from realgap.cost.plan import ARCHITECTURES
from realgap.study import limits

META = torch.device("meta")


def config_of(name, part):
    return layout.part_config(ARCHITECTURES / name, part)


def counted(run):
    with FlopCounterMode(display=False) as counter:
        result = run()
    return counter.get_total_flops(), result


def counted_unet(config, latent_size, tokens):
    """(forward, backward to the conditioning) by torch, of one step of inversion on the meta device.

    There attention is written out, so its backward is 2 forwards, not the 2.5 of a fused kernel.
    """
    with META:
        unet = UNet2DConditionModel.from_config(config).eval().requires_grad_(False)
    latents = torch.empty(1, config["in_channels"], latent_size, latent_size, device=META)
    conditioning = torch.empty(1, tokens, config["cross_attention_dim"], device=META, requires_grad=True)
    timesteps = torch.zeros(1, dtype=torch.long, device=META)
    forward, prediction = counted(lambda: denoiser.predictor(unet)(latents, timesteps, conditioning))
    loss = (prediction - torch.empty_like(prediction)).square().flatten(1).mean(1)
    backward, _ = counted(lambda: torch.autograd.grad(loss.sum(), conditioning))
    return forward, backward


@pytest.mark.long
@pytest.mark.parametrize("name", ["stable-diffusion-1", "stable-diffusion-2"])
@pytest.mark.parametrize("pixels", [128, 256])
def test_a_unet_costs_what_torch_counts(monkeypatch, name, pixels):
    monkeypatch.setattr(flops, "FLASH_BACKWARD", 2.0)
    config = config_of(name, "unet")
    forward, backward = counted_unet(config, pixels // 8, tokens=5)
    ours = flops.unet(config, pixels // 8, num_tokens=5)
    assert ours[0] == forward
    assert ours[1] == pytest.approx(backward, rel=1e-3)


def test_a_miniature_unet_costs_what_torch_counts(monkeypatch, base_model):
    monkeypatch.setattr(flops, "FLASH_BACKWARD", 2.0)
    config = layout.part_config(base_model, "unet")
    forward, backward = counted_unet(config, 8, tokens=3)
    ours = flops.unet(config, 8, num_tokens=3)
    assert ours[0] == forward
    # written out, the first cross-attention (64 latents, 3 tokens, width 8) has no gradient of its query
    assert ours[1] - backward == 2 * 64 * 3 * 8


@pytest.mark.parametrize(("pixels", "step_gflop"), [(128, 85.0), (256, 356.0), (512, 1705.0)])
def test_one_visit_of_stable_diffusion_1_4_costs_what_is_published_here(pixels, step_gflop):
    """Counted by FlopCounterMode with fused attention, 5 tokens: workflow/docs/cost.md."""
    forward, backward = flops.unet(config_of("stable-diffusion-1", "unet"), pixels // 8, num_tokens=5)
    assert (forward + backward) / 1e9 == pytest.approx(step_gflop, rel=0.01)


def test_the_backward_pass_to_the_conditioning_costs_no_more_than_the_forward():
    """No weight has a gradient: with them it would cost twice as much."""
    forward, backward = counted_unet(config_of("stable-diffusion-1", "unet"), 16, tokens=5)
    assert backward / forward <= 1.02
    assert (forward + backward) / 1e9 == pytest.approx(85.0, rel=0.01)


def test_a_vae_costs_what_torch_counts(base_model):
    for config, pixels in ((config_of("stable-diffusion-1", "vae"), 128), (_vae_config(base_model), 16)):
        with META:
            vae = AutoencoderKL.from_config(config)
        side = pixels >> (len(config["block_out_channels"]) - 1)
        encoder, _ = counted(lambda vae=vae, pixels=pixels: vae.encode(torch.empty(1, 3, pixels, pixels, device=META)))
        decoder, _ = counted(lambda vae=vae, side=side: vae.decode(torch.empty(1, 4, side, side, device=META)))
        assert flops.vae_encoder(config, pixels) == encoder
        assert flops.vae_decoder(config, pixels) == decoder


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet18", "resnet20", "resnet34", "resnet50", "resnet101"])
@pytest.mark.parametrize("pixels", [16, 32, 64, 128])
def test_a_resnet_costs_what_torch_counts(name, pixels):
    with META:
        model = networks.build(name, 10, pixels)
    expected, _ = counted(lambda: model(torch.empty(2, 3, pixels, pixels, device=META)))
    assert flops.resnet(name, pixels, 10, cifar_stem=pixels < limits.CIFAR_STEM_BELOW) == expected / 2


def test_other_architectures_are_not_counted():
    assert get_model("vgg11", weights=None) is not None
    assert flops.resnet("vgg11", 32, 10, cifar_stem=True) is None


def _vae_config(folder):
    return json.loads((folder / "vae" / "config.json").read_text())
