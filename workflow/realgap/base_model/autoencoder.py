"""The VAE of a base model: images to latents and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from realgap import devices
from realgap.base_model import families, layout
from realgap.study.limits import vae_batch


@families.once
def load(folder: str | Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The frozen autoencoder of a base model."""
    return families.freeze(families.load(folder, "vae", dtype=dtype, low_cpu_mem_usage=False), device)


@torch.inference_mode()
def encode(vae: Any, images: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the VAE posterior, each float32 (n, c, h, w), not yet scaled.

    `images` is uint8 NHWC; they are resized to `resolution` (bicubic, antialiased) and scaled to [-1, 1].
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(vae.device).permute(0, 3, 1, 2).float()
    pixels = _resize(pixels, resolution).clamp(0, 255) / 127.5 - 1
    posterior = vae.encode(pixels.to(vae.dtype)).latent_dist
    return posterior.mean.float().cpu().numpy(), posterior.std.float().cpu().numpy()


@torch.inference_mode()
def decode(vae: Any, latents: torch.Tensor, image_size: int) -> np.ndarray:
    """Scaled latents (n, c, h, w) to uint8 (n, image_size, image_size, 3); resized and rounded on the device."""
    pixels = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0].float()
    if not pixels.isfinite().all():
        raise ValueError("an image came out as NaN or infinity; compute.precision: fp32 may help")
    pixels = _resize((pixels / 2 + 0.5).clamp(0, 1) * 255, image_size).clamp(0, 255)
    return pixels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def decoder(vae: Any, image_size: int) -> Callable[[torch.Tensor], np.ndarray]:
    """`decode` for any number of latents, as many at once as fit: where they do not, it is the decode that is halved.

    What did not fit once is not tried again.
    """
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    batch_size: int | None = None

    def whole(latents: torch.Tensor) -> np.ndarray:
        nonlocal batch_size
        batch_size, images = batch_size or vae_batch(factor * latents.shape[-1]), []
        while (done := sum(map(len, images))) < len(latents):
            rows = range(done, min(done + batch_size, len(latents)))
            fitted, made = devices.fitting(
                lambda some: decode(vae, latents[some.start : some.stop], image_size), rows, "images to decode"
            )
            batch_size = len(fitted) if len(fitted) < len(rows) else batch_size
            images.append(made)
        return np.concatenate(images)

    return whole


def scaling_factor(folder: str | Path) -> float:
    """What VAE outputs are multiplied by to become latents; configs before diffusers 0.9 leave it to the default."""
    families.require(folder, "vae")
    return float(layout.part_config(folder, "vae")["scaling_factor"])


def _resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    if pixels.shape[-1] == size and pixels.shape[-2] == size:
        return pixels
    return F.interpolate(pixels, (size, size), mode="bicubic", antialias=True, align_corners=False)
