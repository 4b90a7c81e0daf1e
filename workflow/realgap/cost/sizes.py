"""How much a job takes on where a study leaves it open: images of a shard, and images side by side on a card.

They follow from the study's resolution, steps and precision alone, counted for Stable Diffusion 1.4: neither from the
card nor from a model that may not be there yet, because another shard size would make every shard again.
"""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from realgap.base_model import layout
from realgap.cost import flops, peaks

ARCHITECTURES = Path(__file__).resolve().parents[3] / "resources" / "architectures"

CARD_BYTES = 40e9  # of the card that every default fits
ENTRY_MINUTES = 24 * 60  # the most that one entry in the queue asks for
SHARD_FLOP = 5e17  # of a shard's inversion at the rate of half precision: 1.8 hours on an A100, 8.5 on a T4, at 25 %
_SHARD_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SIDE_BY_SIDE = 50  # a GPU is busy with as many, and a CPU's cache holds no more

# What a batch takes for each FLOP of a forward pass of one image, in bytes. A backward pass needs all that was saved
# (SD 1.4 in bf16: 46 MB at 128 px, 184 at 256, 734 at 512); a forward pass alone a few layers' worth; the VAE's last
# layers are wide.
SAVED_BYTES, ALIVE_BYTES, VAE_BYTES = 1.1e-3, 1.1e-4, 3.3e-4
_MARGIN = 1.25  # workspaces, and what the allocator cannot use
_CUDA_BYTES = 1.5e9  # CUDA's own


def settled(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a checked configuration with a number wherever it may have null for a size that follows."""
    config = copy.deepcopy(dict(config))
    resolution, compute, inversion = config["base_model"]["resolution"], config["compute"], config["inversion"]
    forward, backward = _visit(resolution, inversion["num_tokens"])
    half, own = peaks.PEAK_TFLOPS["a100"].half, getattr(peaks.PEAK_TFLOPS["a100"], peaks.of(compute))
    most = SHARD_FLOP / (inversion["steps_per_image"] * (forward + backward) * half / own)
    _settle(config["dataset"], "images_per_shard", max(n for n in _SHARD_SIZES if n <= max(1, most)))
    weights = 4e9 if peaks.of(compute) != "half" else 2e9  # of a UNet and VAE of 0.94 billion parameters
    for section, each in ((inversion, SAVED_BYTES * forward), (config["sampling"], 2 * ALIVE_BYTES * forward)):
        fits = (CARD_BYTES - on_card(weights)) / batch_bytes(compute, each)
        _settle(section, "batch_size", max(1, min(_SIDE_BY_SIDE, int(fits))))
    return config


def on_card(weights_bytes: float, batch_bytes: float = 0.0) -> float:
    """Bytes of a card that a job takes."""
    return _CUDA_BYTES + weights_bytes + batch_bytes


def batch_bytes(compute: Mapping[str, Any], bytes_in_half: float) -> float:
    """Bytes of a card for what takes `bytes_in_half` in half precision."""
    return _MARGIN * bytes_in_half * (1 if peaks.of(compute) == "half" else 2)


def together(asked: int, minutes: int) -> int:
    """Jobs of `minutes` each to put into one entry of the queue, at most `asked` and at most a day."""
    return max(1, min(asked, ENTRY_MINUTES // max(1, minutes)))


def _settle(section: dict[str, Any], key: str, value: int) -> None:
    if section[key] is None:
        section[key] = value


@cache
def _visit(resolution: int, num_tokens: int) -> tuple[float, float]:
    unet = layout.part_config(ARCHITECTURES / "stable-diffusion-1", "unet")
    return flops.unet(unet, max(8, resolution // 8), num_tokens)
