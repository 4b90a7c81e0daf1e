"""What a base model's folder is, read from its JSON files alone: neither torch nor diffusers is needed."""

import json
from pathlib import Path
from typing import Any

# What diffusers 0.42 takes where a config says nothing: published ones are of versions that had fewer keys.
# tests/base_models hold these equal to the library's own.
DEFAULTS = {
    "unet": {
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "block_out_channels": [320, 640, 1280, 1280],
        "layers_per_block": 2,
        "cross_attention_dim": 1280,
    },
    "vae": {
        "in_channels": 3,
        "out_channels": 3,
        "block_out_channels": [64],
        "layers_per_block": 1,
        "latent_channels": 4,
    },
}


def part_config(path: str | Path, part: str) -> dict[str, Any]:
    """The content of a part's config.json, what it leaves out being what diffusers takes then.

    part: "unet" or "vae". Raises ValueError naming the file when it is not a JSON object.
    """
    return {**DEFAULTS[part], **read_json(path)}


def read_json(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file. Raises ValueError naming the file when it holds something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: must be JSON, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a JSON object, got {type(content).__name__}")
    return content
