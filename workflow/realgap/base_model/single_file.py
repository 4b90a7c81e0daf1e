"""A single-file checkpoint (v1-5-pruned-emaonly.safetensors) turned into a folder, by diffusers' own converter.

Such a file holds weights under the names of the original code, and neither configs nor the tokenizer: these come from
`architecture`, a folder of JSON files (resources/architectures), and from realgap.base_model.vocabulary.
"""

import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from realgap.base_model import layout, vocabulary

# where the original code keeps a part's weights; 1.x and 2.x have other text encoders
_PREFIXES = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.transformer.text_model.", "cond_stage_model.model."),
}


def check(file: str | Path, architecture: str | Path) -> None:
    """Raise ValueError with one line unless the file holds every weight of the parts in `architecture`, and no others.

    The converter would leave random numbers where it finds none. Heads of files are read, no weights.
    """
    if Path(file).suffix != ".safetensors":
        raise ValueError(f"{file}: must be safetensors; a pickle can run code and is never loaded")
    held = layout.header(file)
    for part, wanted in _wanted(architecture).items():
        found = _held(held, part, layout.part_config(architecture, part))
        if found != wanted:
            raise ValueError(
                f"{file}: must be a whole checkpoint of {architecture}, {wanted:,} numbers of its {part}; "
                f"got {found:,}: another model (inpainting, SDXL, a LoRA), or another conversion.architecture is right"
            )


def convert(file: str | Path, architecture: str | Path, folder: str | Path) -> None:
    """Write the folder, whole or not at all; weights in float32. Raises ValueError where there is something already."""
    from diffusers import StableDiffusionPipeline

    check(file, architecture)
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"conversion.folder: must be a new folder; {folder} holds something already")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        configs, whole = Path(beside) / "configs", Path(beside) / "whole"
        shutil.copytree(architecture, configs)
        vocabulary.write(configs / "tokenizer")
        pipeline = StableDiffusionPipeline.from_single_file(
            str(file), config=str(configs), local_files_only=True, torch_dtype=torch.float32
        )
        pipeline.save_pretrained(whole)
        whole.rename(folder)


def _wanted(architecture: str | Path) -> dict[str, int]:
    """How many numbers the weights of each part are."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    configs = {part: layout.part_config(architecture, part) for part in _PREFIXES}
    with torch.device("meta"):
        networks = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
        }
    return {part: sum(weights.numel() for weights in network.parameters()) for part, network in networks.items()}


def _held(held: Mapping[str, tuple[int, ...]], part: str, config: Mapping[str, Any]) -> int:
    """How many numbers of a file are a part's weights."""
    names = {}
    for name, shape in held.items():
        for prefix in _PREFIXES[part]:
            if name.startswith(prefix):
                names[name.removeprefix(prefix)] = shape
    if part == "text_encoder":  # 2.x uses all but the last layer, and neither projects nor compares with images
        layers = config["num_hidden_layers"]
        unused = ("embeddings.position_ids", "text_projection", "logit_scale", "attn_mask")
        names = {name: s for name, s in names.items() if name not in unused and _layer(name) < layers}
    return sum(map(math.prod, names.values()))


def _layer(name: str) -> int:
    """Of OpenCLIP's transformer; -1 elsewhere."""
    number = name.removeprefix("transformer.resblocks.").split(".")[0]
    return int(number) if number.isdigit() else -1
