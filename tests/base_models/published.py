"""Base models in the layout in which they were published: random weights, tiny widths, written without save_pretrained.

families/<name>.json holds every JSON file of a published folder, key by key. Tensors have the names that diffusers
0.2 to 0.10 and transformers 4.2x gave them; only widths and the text encoder's depth are smaller (NARROW).
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from realgap.base_model import vocabulary

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
    vocabulary.write(folder / "tokenizer")
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


def outline(folder: Path, family: str) -> Path:
    """A family at full width whose weights are holes in files: heads and sizes are right, no disk is used."""
    for name, content in files(family, full_width=True).items():
        write_json(folder / name, content)
    vocabulary.write(folder / "tokenizer")
    for part, name in WEIGHTS.items():
        head, end = {"__metadata__": {"format": "pt"}}, 0
        for tensor, values in tensors(folder, part, device="meta").items():
            start, end = end, end + 4 * values.numel()
            head[tensor] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [start, end]}
        content = json.dumps(head).encode()
        with open(folder / part / name, "wb") as file:
            file.write(len(content).to_bytes(8, "little") + content)
            file.truncate(8 + len(content) + end)
    return folder


def tensors(folder: Path, part: str, seed: int = 0, device: str = "cpu") -> dict[str, torch.Tensor]:
    """Random weights of a part whose config is in `folder`, under their published names; shapes alone on "meta"."""
    config = json.loads((folder / part / "config.json").read_text())
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        if part == "text_encoder":
            return _published_text_encoder(CLIPTextModel(CLIPTextConfig(**config)))
        network = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(config)
    return {_published_name(name): values for name, values in network.state_dict().items()}


def openai_tokenizer() -> Any:
    """OpenAI's own tokenizer; its package as a whole wants an older setuptools."""
    spec = importlib.util.spec_from_file_location("simple_tokenizer", vocabulary.package() / "simple_tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


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


# --- what else is found in folders that users have ----------------------------------------------------------------


def weights(folder: Path, part: str) -> dict[str, torch.Tensor]:
    """A part's tensors as they are stored."""
    return load_file(folder / part / WEIGHTS[part])


def store(folder: Path, part: str, tensors: dict[str, torch.Tensor], infix: str = "") -> None:
    """Write a part's tensors; infix ".fp16" is how files in half precision are called."""
    path = folder / part / Path(WEIGHTS[part]).with_suffix(f"{infix}.safetensors").name
    path.unlink(missing_ok=True)  # it may be a link to the weights of another folder
    save_file(tensors, path, metadata={"format": "pt"})


def add_fp16(folder: Path, instead: bool) -> Path:
    """Files in half precision, beside the full ones or instead of them."""
    for part, name in WEIGHTS.items():
        half = {k: v.half() if v.is_floating_point() else v for k, v in weights(folder, part).items()}
        store(folder, part, half, ".fp16")
        if instead:
            (folder / part / name).unlink()
    return folder


def shard(folder: Path, part: str, count: int = 2) -> Path:
    """A part's weights in several files with an index, as those above 10 GB are published."""
    tensors, stem = weights(folder, part), WEIGHTS[part].removesuffix(".safetensors")
    names = [f"{stem}-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    where = {tensor: names[i % count] for i, tensor in enumerate(sorted(tensors))}
    for name in names:
        held = {tensor: tensors[tensor] for tensor, at in where.items() if at == name}
        save_file(held, folder / part / name, metadata={"format": "pt"})
    size = sum(values.nbytes for values in tensors.values())
    write_json(
        folder / part / f"{stem}.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": where}
    )
    (folder / part / WEIGHTS[part]).unlink()
    return folder


def pickle(folder: Path) -> Path:
    """Weights as pickles alone, as the first folders had them."""
    for part, name in WEIGHTS.items():
        old = "pytorch_model.bin" if part == "text_encoder" else "diffusion_pytorch_model.bin"
        torch.save(weights(folder, part), folder / part / old)
        (folder / part / name).unlink()
    return folder


def change(folder: Path, name: str, **keys: Any) -> Path:
    """Other values in one of a folder's JSON files."""
    content = json.loads((folder / name).read_text())
    write_json(folder / name, content | keys)
    return folder
