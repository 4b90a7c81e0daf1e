"""A folder's weights as the original code stored them: one file, the names of latent-diffusion and OpenCLIP.

Written from the original code's module names, not by inverting a converter.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from realgap.cost.plan import ARCHITECTURES
from tests.base_models import published

# family -> the configurations that its single file is converted with
ARCHITECTURE = {
    "stable-diffusion-v1-5": "stable-diffusion-1",
    "stable-diffusion-2": "stable-diffusion-2",
    "stable-diffusion-2-1-base": "stable-diffusion-2-base",
    "stable-diffusion-2-1": "stable-diffusion-2",
}

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ATTENTION = {"group_norm": "norm", "query": "q", "key": "k", "value": "v", "proj_attn": "proj_out"}
_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def checkpoint(family: str, base: Path) -> tuple[Path, Path, Path]:
    """(file, the configs of its architecture in its widths, the folder that holds the same weights)."""
    folder = published.save(base / family, family)
    if "v1" not in family:  # all 23 layers: the converter knows the unused one by its number
        published.change(folder, "text_encoder/config.json", num_hidden_layers=23)
        published.store(folder, "text_encoder", published.tensors(folder, "text_encoder"))
    for path in (ARCHITECTURES / ARCHITECTURE[family]).rglob("*.json"):
        name = path.relative_to(ARCHITECTURES / ARCHITECTURE[family])
        content = json.loads(path.read_text())
        own = json.loads((folder / name).read_text()) if name.parts[0] in published.WEIGHTS else {}
        widths = {key: own[key] for key in ("num_hidden_layers", *_widths()) if key in own}
        published.write_json(base / "architecture" / name, content | widths)
    return save(folder, base / "v.safetensors", ema=True), base / "architecture", folder


def _widths():
    return {key for widths in published.NARROW.values() for key in widths} | {"attention_head_dim"}


def save(folder: Path, file: Path, ema: bool = False) -> Path:
    """Write the weights of `folder` to one file; with what training left there too, if `ema`."""
    tensors = {f"model.diffusion_model.{_unet(n)}": t for n, t in published.weights(folder, "unet").items()}
    tensors |= dict(_vae(n, t) for n, t in published.weights(folder, "vae").items())
    text = published.weights(folder, "text_encoder")
    old = "v1" in folder.name or len(text) < 300
    tensors |= {f"cond_stage_model.transformer.{n}": t for n, t in text.items()} if old else _openclip(text)
    if ema:
        tensors |= {"betas": torch.linspace(0, 1, 1000), "model_ema.decay": torch.tensor(0.9999)}
        tensors |= {"model_ema.diffusion_modelinput_blocks00weight": torch.zeros(2, 2)}
    save_file({name: values.contiguous() for name, values in tensors.items()}, file)
    return file


def _unet(name: str) -> str:
    for new, old in _UNET.items():
        if name.startswith(f"{new}."):
            return name.replace(new, old)
    block, *rest = name.split(".")
    if block == "mid_block":
        kind, number, *rest = rest
        place = {"resnets0": 0, "attentions0": 1, "resnets1": 2}[kind + number]
        return f"middle_block.{place}.{_inner(kind, rest)}"
    level, kind, number, *rest = rest
    level, number = int(level), int(number)
    if block == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{3 * level + 3}.0.op.{rest[-1]}"
        return f"input_blocks.{3 * level + 1 + number}.{int(kind == 'attentions')}.{_inner(kind, rest)}"
    if kind == "upsamplers":  # after the attention, which the lowest level has none of
        return f"output_blocks.{3 * level + 2}.{1 if level == 0 else 2}.conv.{rest[-1]}"
    return f"output_blocks.{3 * level + number}.{int(kind == 'attentions')}.{_inner(kind, rest)}"


def _inner(kind: str, rest: list[str]) -> str:
    return ".".join([_RESNET[rest[0]], *rest[1:]] if kind == "resnets" else rest)


def _vae(name: str, values: torch.Tensor) -> tuple[str, torch.Tensor]:
    half, _, rest = name.partition(".")
    parts = rest.split(".")
    if parts[0] in ("down_blocks", "up_blocks"):
        up = parts[0] == "up_blocks"
        level = 3 - int(parts[1]) if up else int(parts[1])  # the original counts levels from the finest
        if parts[2] == "resnets":
            inner = ".".join(parts[4:]).replace("conv_shortcut", "nin_shortcut")
            rest = f"{'up' if up else 'down'}.{level}.block.{parts[3]}.{inner}"
        else:
            rest = f"{'up' if up else 'down'}.{level}.{'upsample' if up else 'downsample'}.conv.{parts[-1]}"
    elif parts[0] == "mid_block" and parts[1] == "resnets":
        rest = f"mid.block_{int(parts[2]) + 1}.{'.'.join(parts[3:])}"
    elif parts[0] == "mid_block":
        rest = f"mid.attn_1.{_ATTENTION[parts[3]]}.{parts[4]}"
        if parts[4] == "weight" and parts[3] != "group_norm":
            values = values[:, :, None, None]  # convolutions of one pixel
    rest = rest.replace("conv_norm_out", "norm_out")
    return f"first_stage_model.{half}.{rest}" if rest else f"first_stage_model.{half}", values


def _openclip(text: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of 2.x: one matrix for query, key and value, a last layer that is not used, and a projection."""
    text = {name.removeprefix("text_model."): values for name, values in text.items()}
    width = text["final_layer_norm.weight"].shape[0]
    depth = 1 + max(int(name.split(".")[2]) for name in text if name.startswith("encoder.layers."))
    made = {
        "token_embedding.weight": text["embeddings.token_embedding.weight"],
        "positional_embedding": text["embeddings.position_embedding.weight"],
        "ln_final.weight": text["final_layer_norm.weight"],
        "ln_final.bias": text["final_layer_norm.bias"],
        "text_projection": torch.eye(width),
        "logit_scale": torch.tensor(4.6),
    }
    for layer in range(depth):
        own, block = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            three = [text[f"{own}.self_attn.{which}_proj.{kind}"] for which in "qkv"]
            made[f"{block}.attn.in_proj_{kind}"] = torch.cat(three)
            for new, old in _LAYER.items():
                made[f"{block}.{old}.{kind}"] = text[f"{own}.{new}.{kind}"]
    last = f"transformer.resblocks.{depth - 1}"
    unused = {name.replace(last, f"transformer.resblocks.{depth}"): t + 1 for name, t in made.items() if last in name}
    return {f"cond_stage_model.model.{name}": values for name, values in (made | unused).items()}
