"""Where tensors live and in which precision networks run."""

import contextlib
import sys

import torch


def pick(device: str) -> torch.device:
    """ "auto" is the first GPU where there is one. Raises ValueError when a GPU is asked for and absent."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device: must be a device of this machine; got 'cuda', and torch sees no GPU")
    return torch.device(device)


def pick_dtype(precision: str, device: torch.device, training: bool = False) -> torch.dtype:
    """ "auto" is bfloat16 where the hardware multiplies it natively, else float16 on a GPU and float32 on a CPU.

    `training` is for networks that are trained: their gradients are too small for float16, so they get
    float32 instead. Emulated bfloat16 is slower than float32: 35 against 80 images/s of ResNet-18
    training at 16 px on one core of a CPU without it, 1.95x faster on one with it.
    """
    if precision == "auto":
        on_gpu = device.type == "cuda"
        if torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_multiplies_bf16():
            return torch.bfloat16
        precision = "fp16" if on_gpu else "fp32"
    if training and precision == "fp16":
        precision = "fp32"
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager:
    """Run matrix work in dtype; nothing for float32."""
    return torch.autocast(device.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()


def halve(batch_size: int) -> int:
    """Half of a batch that did not fit the device's memory, with a word on stderr. Call it in the `except`.

    Raises ValueError when there was one image in it.
    """
    if batch_size < 2:
        raise ValueError("out of memory with a batch of one image; the base model needs a larger device")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = batch_size // 2
    print(f"out of memory with {batch_size} images at once, going on with {half}", file=sys.stderr, flush=True)
    return half


def _cpu_multiplies_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
