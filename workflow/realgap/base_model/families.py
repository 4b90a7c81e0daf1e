"""The families of base models: which classes the parts of a folder are, and how a part is loaded and frozen.

SDXL or a flow-matching transformer joins as one entry of FAMILIES; what is new in it goes into the module of that part.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

import torch

from realgap.base_model import layout, usual


@dataclass(frozen=True)
class Family:
    """Names of classes of diffusers and transformers."""

    vae: str = "AutoencoderKL"
    unet: str = "UNet2DConditionModel"
    text_encoder: str = "CLIPTextModel"
    tokenizer: str = "CLIPTokenizer"


# by the pipeline that model_index.json names
FAMILIES = {"StableDiffusionPipeline": Family()}


def of(folder: str | Path) -> Family:
    """The family of a base model. Raises ValueError when it is none of FAMILIES."""
    index = Path(folder) / "model_index.json"
    try:
        name = json.loads(index.read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{index}: must be a pipeline's index in diffusers' layout; {error}") from error
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError(f"{index}: _class_name must be one of {', '.join(FAMILIES)}; got {name!r}")
    return FAMILIES[name]


def library_class(name: str) -> Any:
    """A class of diffusers or transformers by name, imported when it is asked for."""
    import diffusers
    import transformers

    return getattr(diffusers, name, None) or getattr(transformers, name)


def load(folder: str | Path, name: str, **settings: Any) -> Any:
    """A part of a base model, vae, unet or text_encoder, with every weight that it needs and no other.

    Names of older versions are the library's to translate. Raises ValueError naming the part when it cannot be used.
    """
    part = library_class(getattr(of(folder), name))
    require(folder, name)
    where = Path(folder) / name
    settings |= {"use_safetensors": True, "local_files_only": True, "variant": layout.variant(folder, name)}
    settings["ignore_mismatched_sizes"] = True  # they are told of, and named below
    try:
        if name == "text_encoder":
            settings["config"] = _text_config(folder)
        loaded, found = part.from_pretrained(where, output_loading_info=True, **settings)
    except MemoryError:
        raise
    except Exception as error:  # libraries raise whatever comes of an odd config
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{where}: could not be loaded as {part.__name__}: {first}") from error
    check_whole(where, loaded, found)
    return loaded


def _text_config(folder: str | Path) -> Any:
    """The sizes of a text encoder, and nothing else of its config: other keys choose kernels, heads and files."""
    from transformers import CLIPTextConfig

    given = layout.part_config(folder, "text_encoder")
    known = (*layout.DEFAULTS["text_encoder"], *usual.ALLOWED["text_encoder"])
    words = dict.fromkeys(
        ("bos_token_id", "eos_token_id", "pad_token_id"), 0
    )  # for the pooled output, which is not used
    return CLIPTextConfig(**{key: given[key] for key in known if key in given}, **words)


def check_whole(where: str | Path, loaded: Any, found: Mapping[str, Any]) -> None:
    """Raise ValueError unless a network of diffusers or transformers has every weight from its file, and finite ones.

    found: what `from_pretrained` tells of the loading. Where weights are missing it goes on with random numbers.
    """
    part = type(loaded).__name__
    for kind, keys in {"missing": "missing", "unexpected": "unexpected", "of another shape": "mismatched"}.items():
        if weights := sorted(key if isinstance(key, str) else key[0] for key in found[f"{keys}_keys"]):
            others = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
            raise ValueError(f"{where}: must hold the weights of a {part}; {kind}: {weights[0]}{others}")
    for weight, values in loaded.named_parameters():
        if not values.isfinite().all():
            raise ValueError(f"{where}: weights must be finite numbers, {weight} is not; fetch it again")


def require(folder: str | Path, name: str) -> None:
    if not (Path(folder) / name).is_dir():
        raise ValueError(
            f"base_model.path: {folder} must be a diffusers folder with {name}/; it has none. "
            "Copy the model's folder there from a machine with internet (workflow/docs/base-models.md)"
        )


def once(load: Callable[..., Any]) -> Callable[..., Any]:
    """Load a part once for all the steps of a process that runs several (workflow/warm.py), if they want the same."""
    kept = lru_cache(maxsize=1)(load)

    @wraps(load)
    def loaded(*arguments: Any) -> Any:
        return (kept if "REALGAP_IN_TURN" in os.environ else load)(*arguments)

    return loaded


def freeze(part: Any, device: torch.device) -> Any:
    """Without weight gradients the backward pass to the conditioning costs 1.4 to 1.5 times less."""
    return part.to(device).eval().requires_grad_(False)
