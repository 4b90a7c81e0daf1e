"""Stable Diffusion with random weights and tiny widths, in the real layout: every block of the real one, 0.2 MB."""

import json
from pathlib import Path

from realgap.cost.plan import ARCHITECTURES
from realgap.pretraining import miniature


def smallest(captions, max_tokens, image_size=16):
    """One level of 8 channels, latents at half the images' side, prompts of tokens of width 8."""
    tokenizer = miniature.make_tokenizer(captions, max_tokens=max_tokens)
    return miniature.assemble(
        miniature.make_vae(image_size, (8, 8), seed=0),
        miniature.make_text_encoder(tokenizer, width=8, layers=1, seed=0),
        tokenizer,
        miniature.make_unet(image_size // 2, (8, 8), width=8, seed=0),
    )


def save(folder: Path, family: str = "stable-diffusion-1", prediction_type: str = "epsilon") -> Path:
    """Write a pipeline of a family in resources/architectures to `folder`: 77 tokens of width 16, latents of 1/8."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    tokenizer = miniature.make_tokenizer(["a photo of a cat", "a photo of a truck"], max_tokens=77)
    unet, vae = (json.loads((ARCHITECTURES / family / part / "config.json").read_text()) for part in ("unet", "vae"))
    heads = [1, 2, 2, 2] if isinstance(unet["attention_head_dim"], list) else 2
    text = {"cross_attention_dim": 16, "attention_head_dim": heads}
    narrow = {"block_out_channels": [8, 16, 16, 16], "norm_num_groups": 4, "layers_per_block": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipeline = miniature.assemble(
            AutoencoderKL.from_config({**vae, **narrow, "block_out_channels": [8, 8, 8, 8]}),
            miniature.make_text_encoder(tokenizer, width=16, layers=1, seed=0),
            tokenizer,
            UNet2DConditionModel.from_config({**unet, **narrow, **text}),
        )
    pipeline.scheduler.register_to_config(prediction_type=prediction_type, timestep_spacing="leading")
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
