"""The one module that imports diffusers and transformers: a frozen Stable Diffusion, part by part.

A base model is any folder in diffusers' layout (vae, unet, text_encoder, tokenizer, scheduler), the
miniature of the default study and Stable Diffusion 1.x alike. Weights are read from safetensors only
and no code comes with a model. Everything else takes the callables made here.
"""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from realgap import base_model_layout as layout

Predict = Callable[..., torch.Tensor]  # as `denoiser` makes it

# images the VAE takes at once; halved where they do not fit
VAE_BATCH_SIZE = 64


def load_vae(folder: str | Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The frozen AutoencoderKL of a base model."""
    from diffusers import AutoencoderKL

    return _freeze(_load(AutoencoderKL, folder, "vae", dtype=dtype, low_cpu_mem_usage=False), device)


def load_unet(folder: str | Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The frozen UNet2DConditionModel of a base model."""
    from diffusers import UNet2DConditionModel

    unet = _freeze(_load(UNet2DConditionModel, folder, "unet", dtype=dtype, low_cpu_mem_usage=False), device)
    write_out_attention(unet, dtype)
    return unet


def write_out_attention(part: Any, dtype: torch.dtype) -> None:
    """Let a UNet or VAE that computes in bf16 on a CPU write attention out as products of matrices.

    torch's fused attention takes half of a visit there, most of it backwards; on a GPU and in float32 it is the faster
    one (workflow/docs/speed.md).
    """
    from diffusers.models.attention_processor import AttnProcessor

    if part.device.type == "cpu" and dtype != torch.float32:
        part.set_attn_processor(AttnProcessor())


def denoiser(unet: Any) -> Predict:
    """predict(latents (n, c, h, w), timesteps (n,), conditioning (n, tokens, width)) -> float32 (n, c, h, w).

    Gradients reach the conditioning; the weights have none. A fourth argument, bool (n, tokens), says which
    tokens there are, where rows have different numbers of them.
    """

    def predict(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        dtype, fits = unet.dtype, (unet.config.in_channels, unet.config.cross_attention_dim)
        if (latents.shape[1], conditioning.shape[-1]) != fits:
            raise ValueError(
                f"base_model.path: the UNet takes latents of {fits[0]} channels and embeddings {fits[1]} wide, "
                f"got {latents.shape[1]} and {conditioning.shape[-1]}: parts (or shards) of another base model"
            )
        return unet(
            latents.to(dtype), timesteps, conditioning.to(dtype), encoder_attention_mask=mask, return_dict=False
        )[0].float()

    return predict


def latent_shape(folder: str | Path, vae: Any, unet: Any, resolution: int) -> tuple[int, int, int]:
    """(channels, height, width) of the latents of an image of `resolution` pixels.

    Raises ValueError when the VAE and the UNet do not fit each other or the resolution does not fit them.
    """
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    multiple = factor * 2 ** (len(unet.config.block_out_channels) - 1)
    if vae.config.latent_channels != unet.config.in_channels:
        channels = f"VAE {vae.config.latent_channels}, UNet {unet.config.in_channels}"
        raise ValueError(f"{folder}: VAE and UNet must have the same number of latent channels, got {channels}")
    if resolution % multiple:
        raise ValueError(f"base_model.resolution: must be a multiple of {multiple} for {folder}, got {resolution}")
    return vae.config.latent_channels, resolution // factor, resolution // factor


@torch.inference_mode()
def encode(vae: Any, images: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the VAE posterior, each float32 (n, c, h, w), not yet scaled.

    `images` is uint8 NHWC; they are resized to `resolution` (bicubic, antialiased) and scaled to [-1, 1].
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(vae.device).permute(0, 3, 1, 2).float()
    pixels = _resize(pixels, resolution).clamp(0, 255) / 127.5 - 1
    posterior = vae.encode(pixels.to(vae.dtype)).latent_dist
    return posterior.mean.float().cpu().numpy(), posterior.std.float().cpu().numpy()


@torch.inference_mode()
def decode(vae: Any, latents: torch.Tensor, image_size: int) -> np.ndarray:
    """Scaled latents (n, c, h, w) to uint8 (n, image_size, image_size, 3); resized and rounded on the device."""
    pixels = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0].float()
    if not pixels.isfinite().all():
        raise ValueError("an image came out as NaN or infinity; compute.precision: fp32 may help")
    pixels = _resize((pixels / 2 + 0.5).clamp(0, 1) * 255, image_size).clamp(0, 255)
    return pixels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def scaling_factor(folder: str | Path) -> float:
    """What VAE outputs are multiplied by to become latents; configs before diffusers 0.9 leave it to the default."""
    from diffusers import AutoencoderKL

    _require(folder, "vae")
    default = inspect.signature(AutoencoderKL.__init__).parameters["scaling_factor"].default
    config = AutoencoderKL.load_config(Path(folder) / "vae", local_files_only=True)
    return float(config.get("scaling_factor", default))


def noise_schedule(folder: str | Path) -> tuple[torch.Tensor, str]:
    """Cumulative alphas, float32 (num_train_timesteps,), and what the UNet predicts: "epsilon" or "v_prediction"."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_config(_scheduler_config(folder))
    kind = scheduler.config.prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise ValueError(f"{folder}/scheduler: prediction_type must be epsilon or v_prediction, got {kind}")
    return scheduler.alphas_cumprod, kind


def scheduler(folder: str | Path, name: str) -> Any:
    """A sampling scheduler by name with the base model's noise schedule: pndm, ddim, dpmsolver++ or unipc."""
    import diffusers

    classes = {
        "pndm": (diffusers.PNDMScheduler, {"skip_prk_steps": True}),
        "ddim": (diffusers.DDIMScheduler, {"clip_sample": False}),
        "dpmsolver++": (
            diffusers.DPMSolverMultistepScheduler,
            {"algorithm_type": "dpmsolver++", "solver_order": 2},
        ),
        "unipc": (diffusers.UniPCMultistepScheduler, {}),
    }
    scheduler_class, settings = classes[name]
    return scheduler_class.from_config(_scheduler_config(folder), **settings)


@torch.inference_mode()
def embed_prompts(folder: str | Path, prompts: Sequence[str], device: torch.device) -> torch.Tensor:
    """Last hidden state of the text encoder, float32 (n, tokens, width), padded to the model's full length."""
    from transformers import CLIPTextModel, CLIPTokenizer

    _require(folder, "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(Path(folder) / "tokenizer", local_files_only=True)
    # whatever it is stored in, as diffusers does with the other two
    encoder = _load(CLIPTextModel, folder, "text_encoder", dtype=torch.float32).to(device).eval()
    tokens = tokenizer(list(prompts), padding="max_length", truncation=True, return_tensors="pt")
    return encoder(tokens.input_ids.to(device))[0].float()


def _load(part: Any, folder: str | Path, name: str, **settings: Any) -> Any:
    """A part with every weight that it needs and no other; names of older versions are the library's to translate."""
    _require(folder, name)
    where = Path(folder) / name
    settings |= {"use_safetensors": True, "local_files_only": True, "variant": layout.variant(folder, name)}
    settings["ignore_mismatched_sizes"] = True  # they are told of, and named below
    try:
        loaded, found = part.from_pretrained(where, output_loading_info=True, **settings)
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{where}: could not be loaded as {part.__name__}: {first}") from error
    for kind, keys in {"missing": "missing", "unexpected": "unexpected", "of another shape": "mismatched"}.items():
        if weights := sorted(key if isinstance(key, str) else key[0] for key in found[f"{keys}_keys"]):
            others = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
            raise ValueError(f"{where}: must hold the weights of a {part.__name__}; {kind}: {weights[0]}{others}")
    for weight, values in loaded.named_parameters():
        if not values.isfinite().all():
            raise ValueError(f"{where}: weights must be finite numbers, {weight} is not; fetch it again")
    return loaded


def _require(folder: str | Path, name: str) -> None:
    if not (Path(folder) / name).is_dir():
        raise ValueError(
            f"base_model.path: {folder} must be a diffusers folder with {name}/; it has none. "
            "Copy the model's folder there from a machine with internet (workflow/docs/base-models.md)"
        )


def _scheduler_config(folder: str | Path) -> dict[str, Any]:
    from diffusers import DDPMScheduler

    _require(folder, "scheduler")
    try:
        config = dict(DDPMScheduler.load_config(Path(folder) / "scheduler", local_files_only=True))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}/scheduler: could not be read: {str(error).splitlines()[0]}") from error
    if not {"beta_schedule", "trained_betas"} & set(config):  # flow matching, for one, has none
        raise ValueError(f"{folder}/scheduler: must have a schedule of betas, got {config.get('_class_name')}")
    return config


def _freeze(part: Any, device: torch.device) -> Any:
    """Without weight gradients the backward pass to the conditioning costs 1.4 to 1.5 times less."""
    return part.to(device).eval().requires_grad_(False)


def _resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    if pixels.shape[-1] == size and pixels.shape[-2] == size:
        return pixels
    return F.interpolate(pixels, (size, size), mode="bicubic", antialias=True, align_corners=False)
