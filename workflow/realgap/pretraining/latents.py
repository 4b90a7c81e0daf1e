"""Latents whose directions are as large as what they are worth in pixels.

A VAE's KL term gives every direction of its latents the same spread, fine grain and overall colour alike. A denoiser
then spends most of what it can learn on grain. Here the directions are stretched by a power of what the decoder makes
of them: 0 leaves them alike, 1 makes equal distances in latents equal distances in pixels. Images come out as before.
"""

import math

import numpy as np
import torch
from diffusers import AutoencoderKL

from realgap.pretraining.fitting import encode
from realgap.streams import stream

PROBES = 128  # images that the decoder's response is measured on
STEP = 0.3  # of the latents' spread
FLOOR = 1e-5  # of the largest response: what a direction counts at least, or it could not be told from nothing


@torch.no_grad()
def weigh(vae: AutoencoderKL, images: np.ndarray, power: float, seed: int) -> None:
    """Stretch the latents of `vae` in place by its response to the power of `power`, centre them and set its scaling.

    images: uint8 (n, h, w, 3). The posterior's spread becomes that of the mean image.
    """
    mean, std = encode(vae, images)
    values, directions = torch.linalg.eigh(response(vae, mean[:PROBES], seed))
    stretch = directions @ torch.diag(values.clamp(min=FLOOR * values.max()) ** (power / 2)) @ directions.T
    centre = mean.mean(dim=(0, 2, 3))
    variance = stretch.square() @ std.square().mean(dim=(0, 2, 3))
    _stretch(vae, stretch, centre, variance)
    stretched = torch.einsum("kl,nlhw->nkhw", stretch, mean - centre.view(1, -1, 1, 1))
    vae.register_to_config(scaling_factor=1 / math.sqrt(stretched.var().item() + variance.mean().item()))


@torch.no_grad()
def response(vae: AutoencoderKL, latents: torch.Tensor, seed: int) -> torch.Tensor:
    """What steps in latents do to pixels: (c, c), entry (k, l) the mean product of the changes that k and l make.

    A step goes up or down at each place by chance, so that changes made at different places cancel in the mean.
    """
    n, channels, height, width = latents.shape
    signs = torch.from_numpy(stream(seed, "latent_response").choice([-1.0, 1.0], (n, 1, height, width))).float()
    step = STEP * (latents - latents.mean(dim=(0, 2, 3), keepdim=True)).std()
    plain = vae.decode(latents).sample
    changes = [
        (vae.decode(latents + step * signs * one.view(1, -1, 1, 1)).sample - plain).flatten() / step
        for one in torch.eye(channels)
    ]
    found = torch.stack(changes)
    return found @ found.T / found.shape[1]


def _stretch(vae: AutoencoderKL, stretch: torch.Tensor, centre: torch.Tensor, variance: torch.Tensor) -> None:
    """Let the VAE's last and first 1 x 1 convolutions take on the stretch and its inverse."""
    into, out_of, channels = vae.quant_conv, vae.post_quant_conv, len(centre)
    weight, bias = into.weight[:channels, :, 0, 0], into.bias[:channels]
    into.bias[:channels] = stretch @ (bias - centre)
    into.weight[:channels] = (stretch @ weight)[..., None, None]
    into.weight[channels:] = 0
    into.bias[channels:] = variance.log()
    weight = out_of.weight[:, :, 0, 0]
    out_of.bias += weight @ centre
    out_of.weight[:] = (weight @ torch.linalg.inv(stretch))[..., None, None]
