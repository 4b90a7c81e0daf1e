"""Base models in the layout in which they were published: random weights, tiny widths, nothing of it by save_pretrained.

families/<name>.json holds every JSON file of a published folder, key by key. Tensors have the names that diffusers
0.2 to 0.10 and transformers 4.2x gave them; only widths and the text encoder's depth are smaller (NARROW).
"""

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = Path(__file__).parent
FAMILIES = ("stable-diffusion-v1-4", "stable-diffusion-v1-5", "stable-diffusion-2", "stable-diffusion-2-1-base")
FAMILIES += ("stable-diffusion-2-1",)
WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}

# 32 groups of channels are the default, which a published config may leave out, so no level is narrower
NARROW = {
    "unet": {"block_out_channels": [32, 32, 64, 64], "cross_attention_dim": 32},
    "vae": {"block_out_channels": [32, 32, 64, 64]},
    "text_encoder": {
        "hidden_size": 32,
        "intermediate_size": 128,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
    },
}
NARROW_HEADS = [2, 2, 4, 4]  # where a family lists them, one number a level


def save(folder: Path, family: str = "stable-diffusion-v1-4", full_width: bool = False) -> Path:
    """Write a base model of a family to `folder` and return it."""
    for name, content in files(family, full_width).items():
        write_json(folder / name, content)
    write_vocabulary(folder / "tokenizer")
    for part, name in WEIGHTS.items():
        save_file(tensors(folder, part), folder / part / name, metadata={"format": "pt"})
    return folder


def files(family: str, full_width: bool = False) -> dict[str, dict[str, Any]]:
    """The content of every JSON file of a published folder, by its path in the folder."""
    published = json.loads((HERE / f"families/{family}.json").read_text())
    for part, widths in {} if full_width else NARROW.items():
        config = published[f"{part}/config.json"]
        config |= widths
        if isinstance(config.get("attention_head_dim"), list):
            config["attention_head_dim"] = NARROW_HEADS
    return published


def tensors(folder: Path, part: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of a part whose config is in `folder`, under their published names."""
    config = json.loads((folder / part / "config.json").read_text())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if part == "text_encoder":
            return _published_text_encoder(CLIPTextModel(CLIPTextConfig(**config)))
        network = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(config)
    return {_published_name(name): values for name, values in network.state_dict().items()}


def write_vocabulary(folder: Path) -> None:
    """vocab.json and merges.txt of CLIP, 49,408 tokens, from the file that OpenAI ships with its code."""
    package = Path(importlib.util.find_spec("clip").submodule_search_locations[0])
    with gzip.open(package / "bpe_simple_vocab_16e6.txt.gz", "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = list(_letters())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    write_json(folder / "vocab.json", {token: i for i, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def _letters() -> list[str]:
    """A printable letter for each of 256 bytes, as GPT-2's tokenizer has them: printable bytes first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [*map(chr, printable), *(chr(256 + i) for i in range(len(others)))]


def _published_name(name: str) -> str:
    """The VAE's one attention had names of its own; the UNet's are today's."""
    if "mid_block.attentions" in name and "transformer_blocks" not in name:
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            name = name.replace(f".{new}.", f".{old}.")
    return name


def _published_text_encoder(network: CLIPTextModel) -> dict[str, torch.Tensor]:
    weights = {f"text_model.{name}": values for name, values in network.state_dict().items()}
    positions = torch.arange(network.config.max_position_embeddings).expand(1, -1)
    return {"text_model.embeddings.position_ids": positions.contiguous(), **weights}
