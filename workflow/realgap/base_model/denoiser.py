"""The denoiser of a base model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from realgap.base_model import families

Predict = Callable[..., torch.Tensor]  # as `predictor` makes it


@families.once
def load(folder: str | Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The frozen UNet of a base model."""
    unet = families.freeze(families.load(folder, "unet", dtype=dtype, low_cpu_mem_usage=False), device)
    write_out_attention(unet, dtype)
    return unet


def write_out_attention(part: Any, dtype: torch.dtype) -> None:
    """Let a UNet or VAE that computes in bf16 on a CPU write attention out as products of matrices.

    torch's fused attention takes half of a visit there, most of it backwards; on a GPU and in float32 it is the faster
    one (workflow/docs/speed.md).
    """
    from diffusers.models.attention_processor import AttnProcessor

    if part.device.type == "cpu" and dtype != torch.float32:
        part.set_attn_processor(AttnProcessor())


def predictor(unet: Any) -> Predict:
    """predict(latents (n, c, h, w), timesteps (n,), conditioning (n, tokens, width)) -> float32 (n, c, h, w).

    Gradients reach the conditioning; the weights have none. A fourth argument, bool (n, tokens), says which
    tokens there are, where rows have different numbers of them.
    """

    def predict(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        dtype, fits = unet.dtype, (unet.config.in_channels, unet.config.cross_attention_dim)
        if (latents.shape[1], conditioning.shape[-1]) != fits:
            raise ValueError(
                f"base_model.path: the UNet takes latents of {fits[0]} channels and embeddings {fits[1]} wide, "
                f"got {latents.shape[1]} and {conditioning.shape[-1]}: parts (or shards) of another base model"
            )
        return unet(
            latents.to(dtype), timesteps, conditioning.to(dtype), encoder_attention_mask=mask, return_dict=False
        )[0].float()

    return predict


def latent_shape(folder: str | Path, vae: Any, unet: Any, resolution: int) -> tuple[int, int, int]:
    """(channels, height, width) of the latents of an image of `resolution` pixels.

    Raises ValueError when the VAE and the UNet do not fit each other or the resolution does not fit them.
    """
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    multiple = factor * 2 ** (len(unet.config.block_out_channels) - 1)
    if vae.config.latent_channels != unet.config.in_channels:
        channels = f"VAE {vae.config.latent_channels}, UNet {unet.config.in_channels}"
        raise ValueError(f"{folder}: VAE and UNet must have the same number of latent channels, got {channels}")
    if resolution % multiple:
        raise ValueError(f"base_model.resolution: must be a multiple of {multiple} for {folder}, got {resolution}")
    return vae.config.latent_channels, resolution // factor, resolution // factor
