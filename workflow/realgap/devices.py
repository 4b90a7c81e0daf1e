"""Where tensors live and in which precision networks run."""

import contextlib

import torch


def pick(device: str) -> torch.device:
    """ "auto" is the first GPU where there is one. Raises ValueError when a GPU is asked for and absent."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device: must be a device of this machine; got 'cuda', and torch sees no GPU")
    return torch.device(device)


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """ "auto" is bfloat16 where the hardware multiplies it natively, else float32.

    Emulated bfloat16 is slower than float32: 35 against 80 images/s of ResNet-18 training at 16 px on
    one core of a CPU without it, 1.95x faster on one with it.
    """
    if precision != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_multiplies_bf16()
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager:
    """Run matrix work in dtype; nothing for float32."""
    return torch.autocast(device.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()


def _cpu_multiplies_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
