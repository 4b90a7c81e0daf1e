"""What a base model's folder is, read from JSON files and the heads of safetensors: neither torch nor diffusers."""

import json
import math
from pathlib import Path
from typing import Any

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}

# What diffusers 0.42 and transformers 5.23 take where a config says nothing: published ones are of versions that had
# fewer keys. tests/base_models hold these equal to the libraries' own.
DEFAULTS = {
    "unet": {
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "block_out_channels": [320, 640, 1280, 1280],
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "cross_attention_dim": 1280,
        "attention_head_dim": 8,
    },
    "vae": {
        "in_channels": 3,
        "out_channels": 3,
        "block_out_channels": [64],
        "layers_per_block": 1,
        "norm_num_groups": 32,
        "latent_channels": 4,
        "scaling_factor": 0.18215,
    },
    "text_encoder": {
        "vocab_size": 49408,
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "max_position_embeddings": 77,
    },
    "scheduler": {"num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "prediction_type": "epsilon"},
    "tokenizer": {},
}
_CONFIGS = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}
_MOST_HEADER_BYTES = 100_000_000  # as the safetensors library allows


def part_config(folder: str | Path, part: str) -> dict[str, Any]:
    """A part's config, what it leaves out being what the library takes then.

    part: one of PARTS. Raises ValueError naming the file when it is missing or not a JSON object.
    """
    return {**DEFAULTS[part], **read_json(Path(folder) / part / _CONFIGS.get(part, "config.json"))}


def read_json(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file. Raises ValueError naming the file when there is none."""
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
        raise ValueError(f"{path}: must be a file, is none")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: must be there, is missing") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be JSON, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a JSON object, got {type(content).__name__}")
    return content


def variant(folder: str | Path, part: str) -> str | None:
    """ "fp16" where a part's weights are there in half precision alone, None where they are there in full.

    Raises ValueError when there are no safetensors.
    """
    for name in (None, "fp16"):
        if any(path.is_file() for path in _names(Path(folder) / part, WEIGHTS[part], name)):
            return name
    raise ValueError(_no_weights(Path(folder) / part))


def weight_files(folder: str | Path, part: str) -> list[Path]:
    """The safetensors that hold a part's weights: one, or those that an index lists.

    Raises ValueError when there are none, or when one of an index is missing or lies outside of the part's folder.
    """
    whole, index = _names(Path(folder) / part, WEIGHTS[part], variant(folder, part))
    if not index.is_file():
        return [whole]
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise ValueError(f"{index}: must have a weight_map from tensors to files")
    names = sorted({str(name) for name in listed.values()})
    for name in names:
        if Path(name).name != name or not (index.parent / name).is_file():
            raise ValueError(f"{index}: must list files beside it; {name} is none")
    return [index.parent / name for name in names]


def shapes(folder: str | Path, part: str) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a part, by its name. Raises ValueError when a file is not whole safetensors."""
    return {name: shape for path in weight_files(folder, part) for name, shape in header(path).items()}


def parameters(folder: str | Path, part: str) -> int:
    """How many numbers a part's weights are, whatever precision they are stored in."""
    return sum(map(math.prod, shapes(folder, part).values()))


def header(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a file, by its name. Raises ValueError when it is not whole safetensors."""
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, _MOST_HEADER_BYTES):
            raise ValueError(_no_header(path))
        head = file.read(length)
    try:
        tensors = json.loads(head)
        tensors.pop("__metadata__", None)
        end = max(tensor["data_offsets"][1] for tensor in tensors.values())
        shapes = {name: tuple(int(side) for side in tensor["shape"]) for name, tensor in tensors.items()}
    except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(_no_header(path)) from error
    if size != 8 + length + end:
        raise ValueError(f"{path}: must have {8 + length + end} bytes, got {size}; fetch it again")
    return shapes


def _names(folder: Path, stem: str, variant: str | None) -> tuple[Path, Path]:
    """Where the libraries look for a part's weights: the one file, or the index of several."""
    infix = f".{variant}" if variant else ""
    return folder / f"{stem}{infix}.safetensors", folder / f"{stem}.safetensors.index{infix}.json"


def _no_header(path: Path) -> str:
    with open(path, "rb") as file:
        pointer = file.read(40).startswith(b"version https://git-lfs")
    if pointer:
        return f"{path}: must hold weights, got a pointer of git-lfs to them; run `git lfs pull` where it was cloned"
    return f"{path}: must be safetensors, got something else; fetch it again"


def _no_weights(part: Path) -> str:
    pickles = sorted(path.name for path in part.glob("*") if path.suffix in (".bin", ".ckpt", ".pt", ".pth"))
    if not pickles:
        return f"{part}: must hold weights as safetensors, got none"
    convert = (
        "from diffusers import StableDiffusionPipeline as P; "
        f"P.from_pretrained('{part.parent}', use_safetensors=False, safety_checker=None, feature_extractor=None)"
        f".save_pretrained('{part.parent}-safetensors')"
    )
    return (
        f"{part}: must hold weights as safetensors, got {pickles[0]}, a pickle, which can run code and is never loaded "
        f'here; where you trust it, convert the folder: python -c "{convert}"'
    )
