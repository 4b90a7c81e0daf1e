"""Whether a base model can be used at all, said before any job is started: one line for the first thing that cannot.

Read by realgap.study.config on the machine where `snakemake` runs, so nothing here needs torch or reads weights.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realgap.base_model import layout, tokens, usual

SUPPORTED = "Stable Diffusion 1.x or 2.x for text to image, in diffusers' layout (workflow/docs/base-models.md)"

# the classes that a part may be of, as model_index.json and the parts' own configs name them
_KINDS = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}
_UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
_INPUTS = {5: "a depth model", 7: "an upscaler", 8: "an editing model", 9: "an inpainting model"}
_BLOCKS = {
    "down_block_types": {"CrossAttnDownBlock2D", "DownBlock2D"},
    "mid_block_type": {"UNetMidBlock2DCrossAttn"},
    "up_block_types": {"CrossAttnUpBlock2D", "UpBlock2D"},
}
# whole numbers and the largest that any real model comes near to
_NUMBERS = {
    "unet": {"in_channels": 64, "out_channels": 64, "layers_per_block": 8, "cross_attention_dim": 8192}
    | {"norm_num_groups": 512},
    "vae": {
        "in_channels": 64,
        "out_channels": 64,
        "layers_per_block": 8,
        "latent_channels": 64,
        "norm_num_groups": 512,
    },
    "text_encoder": {"vocab_size": 1_000_000, "hidden_size": 8192, "intermediate_size": 65536}
    | {"num_hidden_layers": 100, "num_attention_heads": 128, "max_position_embeddings": 1024},
    "scheduler": {"num_train_timesteps": 100_000},
    "tokenizer": {},
}
_MOST_LEVELS, _WIDEST, _LARGEST_PX = 8, 8192, 8192
# what asks for inputs, code or kernels of others
_NULL = {
    "unet": ("class_embed_type", "num_class_embeds", "addition_embed_type", "encoder_hid_dim", "encoder_hid_dim_type")
    + ("time_cond_proj_dim", "quantization_config"),
    "vae": ("shift_factor", "latents_mean", "latents_std", "quantization_config"),
    "text_encoder": ("attn_implementation", "_attn_implementation", "auto_map", "quantization_config"),
    "tokenizer": ("auto_map",),
    "scheduler": (),
}
_BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")
_TARGETS = ("epsilon", "v_prediction")


def check(path: str | Path, resolution: int | None) -> None:
    """Raise ValueError with one line for a base model that cannot be used at `resolution` pixels (None: at any)."""
    folder = Path(path)
    _check_folder(folder)
    _check_index(folder, layout.read_json(folder / "model_index.json"))
    configs = {}
    for part in layout.PARTS:
        if not (folder / part).is_dir():
            raise _refusal(folder, f"{part}/ is missing")
        configs[part] = layout.part_config(folder, part)
        _check_part(folder, part, configs[part])
    _check_channels(folder, configs["unet"], configs["vae"])
    _check_text(folder, configs["text_encoder"], configs["tokenizer"], configs["unet"])
    _check_scheduler(folder, configs["scheduler"])
    for part in layout.WEIGHTS:
        _check_shapes(folder, part, configs[part], layout.shapes(folder, part))
    if resolution is not None:
        _check_resolution(folder, configs["unet"], configs["vae"], resolution)


def _refusal(folder: Path, got: str) -> ValueError:
    return ValueError(f"config: base_model.path: must be {SUPPORTED}; got {str(folder)!r}: {got}")


def _check_folder(folder: Path) -> None:
    """What is not a pipeline's folder at all."""
    if folder.is_file() and folder.suffix in (".ckpt", ".pt", ".pth", ".bin"):
        raise _refusal(folder, "a pickle, which can run code and is never loaded; get the model's .safetensors")
    if folder.is_file() and folder.suffix == ".safetensors":
        raise _refusal(folder, "one file; make a folder of it by `snakemake convert_base_model`")
    if folder.is_file():
        raise ValueError(
            f"config: base_model.path: must be a folder in diffusers' layout; got {str(folder)!r}, which is a file"
        )
    if (folder / "model_index.json").is_file():
        return
    if any((folder / name).is_file() for name in ("pytorch_lora_weights.safetensors", "adapter_config.json")):
        raise _refusal(folder, "a LoRA; fuse it into its base model and save that")
    for file in sorted(folder.glob("*.safetensors")):
        raise _refusal(folder, f"only {file.name}; make a folder of it by `snakemake convert_base_model`")
    for file in sorted(folder.glob("*.ckpt")):
        raise _refusal(folder, f"only {file.name}, a pickle, which can run code and is never loaded")
    raise ValueError(
        "config: base_model.path: must be a folder in diffusers' layout, with model_index.json; "
        f"got {str(folder)!r}, which has none (workflow/docs/base-models.md says how to get one)"
    )


def _check_index(folder: Path, index: Mapping[str, Any]) -> None:
    """The pipeline's parts: of the right kinds, and none that would have a say in the image."""
    for part, entry in index.items():
        if part.startswith("_") or not isinstance(entry, list) or entry == [None, None]:
            continue
        known = part in layout.PARTS or part in _UNUSED
        kind = entry[-1] if entry else None
        if not known or (part in _KINDS and kind not in _KINDS[part]):
            raise _refusal(folder, f"{_said(index.get('_class_name'))} with {part[:40]} of class {_said(kind)}")


def _check_part(folder: Path, part: str, config: Mapping[str, Any]) -> None:
    """A config alone: its class, its numbers, and nothing that asks for what is not there."""
    named = config.get("_class_name") or config.get("architectures")
    named = named[0] if isinstance(named, list) and named else named
    if part in _KINDS and named and named not in _KINDS[part]:
        raise _refusal(folder, f"{part}/ is of class {_said(named)}")
    for key in _NULL[part]:
        if config.get(key) is not None:
            raise _refusal(folder, f"{part}/: {key} must be null, is {_said(config[key])!r}")
    for key, most in _NUMBERS[part].items():
        if not _whole(config[key], most):
            raise _refusal(folder, f"{part}/: {key} must be a whole number from 1 to {most}, is {_said(config[key])}")
    if found := usual.wrong(part, config):
        key, allowed = found
        raise _refusal(folder, f"{part}/: {key} must be {' or '.join(map(str, allowed))}, is {_said(config[key])!r}")
    if part in ("unet", "vae"):
        _check_levels(folder, part, config)
    if part == "tokenizer":
        _check_special_tokens(folder, config)


def _check_special_tokens(folder: Path, config: Mapping[str, Any]) -> None:
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        token = config.get(key)
        token = token.get("content") if isinstance(token, dict) else token
        if token is not None and not (isinstance(token, str) and 0 < len(token) <= 100):
            raise _refusal(folder, f"tokenizer/: {key} must be a word, is {_said(token)!r}")


def _check_levels(folder: Path, part: str, config: Mapping[str, Any]) -> None:
    widths, groups, size = config["block_out_channels"], config["norm_num_groups"], config.get("sample_size")
    if size is not None and not _whole(size, _LARGEST_PX):
        raise _refusal(folder, f"{part}/: sample_size must be a whole number up to {_LARGEST_PX}, is {_said(size)!r}")
    if not isinstance(widths, list) or not 1 <= len(widths) <= _MOST_LEVELS:
        raise _refusal(folder, f"{part}/: block_out_channels must list 1 to {_MOST_LEVELS} widths")
    for width in widths:
        if not _whole(width, _WIDEST) or width % groups:
            raise _refusal(
                folder,
                f"{part}/: block_out_channels must be multiples of {groups} up to {_WIDEST}, got {_said(width)}",
            )
    if part == "vae":
        if not isinstance(config["scaling_factor"], int | float) or not 0 < config["scaling_factor"] < math.inf:
            raise _refusal(folder, f"vae/: scaling_factor must be above 0, is {_said(config['scaling_factor'])}")
        for key, kind in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
            kinds = config.get(key, [kind])
            if not isinstance(kinds, list) or not 1 <= len(kinds) <= _MOST_LEVELS or set(map(str, kinds)) != {kind}:
                raise _refusal(folder, f"vae/: {key} must be of {kind} alone, is {_said(kinds)}")
        return
    for key, allowed in _BLOCKS.items():
        kinds = [config[key]] if key == "mid_block_type" else config[key]
        if not isinstance(kinds, list) or not set(map(str, kinds)) <= allowed:
            raise _refusal(folder, f"unet/: {key} must be of {', '.join(sorted(allowed))}, is {_said(config[key])}")
        if key != "mid_block_type" and len(kinds) != len(widths):
            raise _refusal(folder, f"unet/: {key} must list {len(widths)} kinds, one a level, lists {len(kinds)}")
    heads = config["attention_head_dim"]
    heads = heads if isinstance(heads, list) else [heads] * len(widths)
    if len(heads) != len(widths) or not all(
        _whole(n, width) and width % n == 0 for n, width in zip(heads, widths, strict=False)
    ):
        raise _refusal(folder, f"unet/: attention_head_dim must divide the widths, is {_said(heads)}")


def _check_channels(folder: Path, unet: Mapping[str, Any], vae: Mapping[str, Any]) -> None:
    latent, taken, given = vae["latent_channels"], unet["in_channels"], unet["out_channels"]
    if taken != latent:
        kind = f", {_INPUTS[taken]}" if taken in _INPUTS else ""
        raise _refusal(folder, f"unet/ takes {taken} channels{kind}, where vae/ makes {latent}")
    if given != latent:
        raise _refusal(folder, f"unet/ gives {given} channels, where vae/ takes {latent}")
    if (vae["in_channels"], vae["out_channels"]) != (3, 3):
        raise _refusal(
            folder, f"vae/ takes {vae['in_channels']} and gives {vae['out_channels']} channels, not 3 colours"
        )


def _check_text(
    folder: Path, encoder: Mapping[str, Any], tokenizer: Mapping[str, Any], unet: Mapping[str, Any]
) -> None:
    if encoder["hidden_size"] != unet["cross_attention_dim"]:
        wide = f"text_encoder/ is {encoder['hidden_size']} wide, where unet/ takes {unet['cross_attention_dim']}"
        raise _refusal(folder, wide)
    if encoder["hidden_size"] % encoder["num_attention_heads"]:
        raise _refusal(folder, f"text_encoder/: {encoder['num_attention_heads']} heads must divide hidden_size")
    longest = encoder["max_position_embeddings"]
    if not _whole(tokenizer.get("model_max_length"), longest):
        said = _said(tokenizer.get("model_max_length"))
        raise _refusal(folder, f"tokenizer/: model_max_length must be from 1 to {longest}, is {said}")
    files = {path.name for path in (folder / "tokenizer").iterdir()}
    if not ("tokenizer.json" in files or {"vocab.json", "merges.txt"} <= files):
        raise _refusal(folder, "tokenizer/ has neither vocab.json and merges.txt nor tokenizer.json")
    takes = encoder["vocab_size"]
    for name, numbers in tokens.numbers(folder, tokenizer):
        if len(numbers) > takes:
            raise _refusal(folder, f"tokenizer/ has {len(numbers)} tokens, where text_encoder/ takes {takes}")
        if odd := [one for one in numbers if type(one) is not int or not 0 <= one < takes]:
            said = f"tokenizer/{name} has a token of number {_said(odd[0])!r}"
            raise _refusal(folder, f"{said}, where text_encoder/ takes 0 to {takes - 1}")


def _check_scheduler(folder: Path, scheduler: Mapping[str, Any]) -> None:
    betas = scheduler.get("trained_betas")
    if betas is None and scheduler.get("beta_schedule") not in _BETAS:
        raise _refusal(
            folder, f"scheduler/: {_said(scheduler.get('_class_name'))} has no schedule of betas (flow matching?)"
        )
    if betas is not None and not (isinstance(betas, list) and len(betas) == scheduler["num_train_timesteps"]):
        raise _refusal(folder, "scheduler/: trained_betas must be as many as num_train_timesteps")
    if betas is not None and not all(isinstance(beta, int | float) and 0 < beta < 1 for beta in betas):
        raise _refusal(folder, "scheduler/: trained_betas must be between 0 and 1")
    ends = [scheduler["beta_start"], scheduler["beta_end"]]
    if not all(isinstance(end, int | float) and 0 < end < 1 for end in ends):
        raise _refusal(folder, f"scheduler/: beta_start and beta_end must be between 0 and 1, are {_said(ends)}")
    if scheduler["prediction_type"] not in _TARGETS:
        said = _said(scheduler["prediction_type"])
        raise _refusal(folder, f"scheduler/: prediction_type must be epsilon or v_prediction, is {said}")


def _check_shapes(folder: Path, part: str, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """That the weights are those of the config: what goes in and out, and how deep it is."""
    names = {name.removeprefix("text_model."): shape for name, shape in shapes.items()}
    for name, shape in _expected(part, config).items():
        got = names.get(name)
        if got is None or got[: len(shape)] != shape:
            found = "is missing" if got is None else f"is {' x '.join(map(str, got))}"
            wanted = " x ".join(map(str, shape))
            raise _refusal(folder, f"{part}/: by config.json {name} must be {wanted}, {found} in the weights")


def _expected(part: str, config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    if part == "text_encoder":
        width = config["hidden_size"]
        last = f"encoder.layers.{config['num_hidden_layers'] - 1}.self_attn.q_proj.weight"
        return {
            "embeddings.token_embedding.weight": (config["vocab_size"], width),
            "embeddings.position_embedding.weight": (config["max_position_embeddings"], width),
            last: (width, width),
        }
    first, last = config["block_out_channels"][0], config["block_out_channels"][-1]
    deepest = len(config["block_out_channels"]) - 1
    if part == "unet":
        return {
            "conv_in.weight": (first, config["in_channels"]),
            f"down_blocks.{deepest}.resnets.{config['layers_per_block'] - 1}.conv2.weight": (last, last),
            "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight": (last, config["cross_attention_dim"]),
            "conv_out.weight": (config["out_channels"], first),
        }
    return {
        "encoder.conv_in.weight": (first, config["in_channels"]),
        f"encoder.down_blocks.{deepest}.resnets.{config['layers_per_block'] - 1}.conv2.weight": (last, last),
        "decoder.conv_in.weight": (last, config["latent_channels"]),
        "decoder.conv_out.weight": (config["out_channels"], first),
    }


def _check_resolution(folder: Path, unet: Mapping[str, Any], vae: Mapping[str, Any], resolution: int) -> None:
    """Each level of the VAE halves the image, and each of the UNet the latents."""
    multiple = 2 ** (len(vae["block_out_channels"]) + len(unet["block_out_channels"]) - 2)
    if resolution % multiple:
        raise ValueError(
            f"config: base_model.resolution: must be a multiple of {multiple} for {str(folder)!r}; got {resolution}"
        )


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _said(value: Any) -> str:
    """A value of a foreign file, cut short."""
    return " ".join(str(value)[:40].split())
