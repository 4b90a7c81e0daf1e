"""Where tensors live and in which precision networks run."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")
Rows = TypeVar("Rows", bound=Sequence)  # an array will do


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


def put(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array on the device, without waiting for what the device is at work on, as a plain copy to a GPU would."""
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def in_batches(work: Callable[[slice], T], n: int, batch_size: int) -> Iterator[T]:
    """What `work` gives for n images, batch after batch; smaller ones from the first that does not fit on."""
    first = 0
    while first < n:
        rows = range(first, min(first + batch_size, n))
        done, made = fitting(lambda some: work(slice(some.start, some.stop)), rows)
        if len(done) < len(rows):
            batch_size = len(done)
        first = done.stop
        yield made


def fitting(work: Callable[[Rows], T], rows: Rows) -> tuple[Rows, T]:
    """As many of the first of `rows` as fit the device's memory, halved until they do, and what `work` gives for them.

    Each halving is said on stderr. Raises ValueError when one image does not fit.
    """
    while True:
        with contextlib.suppress(torch.OutOfMemoryError):
            return rows, work(rows)
        rows = rows[: _halve(len(rows))]  # here, where what the failed attempt held is free


def _halve(batch_size: int) -> int:
    if batch_size < 2:
        raise ValueError("out of memory with a batch of one image; the base model needs a larger device")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = batch_size // 2
    print(f"out of memory with {batch_size} images at once, going on with {half}", file=sys.stderr, flush=True)
    return half


def _cpu_multiplies_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
