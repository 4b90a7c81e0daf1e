"""Where tensors live and in which precision networks run."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from realgap.run import cards

# that a major version of CUDA needs on Linux (NVIDIA: CUDA compatibility, minor version compatibility)
_NEEDED_DRIVER = {"11": "450", "12": "525", "13": "580"}
_REMEDY = (
    "update the driver, or pin an older build of torch (workflow/docs/cluster.md), or compute on the CPU "
    "(compute.device: cpu)"
)

_OUT_OF_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",  # no room for the workspace of a product of matrices
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "Unable to find a valid cuDNN algorithm",  # each takes more room than there is
    "unable to find an engine to execute this computation",
    "DefaultCPUAllocator: can't allocate memory",
)

T = TypeVar("T")
Rows = TypeVar("Rows", bound=Sequence)  # an array will do


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and how precisely a step computes: the study's section of that name."""

    device: str = "auto"  # or "cpu" or "cuda"
    precision: str = "auto"  # or "fp32", "bf16", "fp16"
    tf32: bool = False  # a GPU multiplies float32 with mantissas of 10 bits
    deterministic: bool = False  # a GPU gives the same bytes each time
    compile: str | bool = False  # or "auto": the base model's networks on a GPU
    channels_last: bool = False  # in memory; the base model's networks on a GPU
    cudnn_benchmark: bool = False  # cuDNN tries its algorithms and keeps the fastest


def pick(compute: Compute) -> torch.device:
    """The device that a step computes on, set up as the study asks; "auto" is the first GPU where there is one.

    Raises ValueError where the study asks for a GPU and torch has none.
    """
    if compute.device == "cuda":
        require_gpu()
    name = ("cuda" if torch.cuda.is_available() else "cpu") if compute.device == "auto" else compute.device
    _set_up(compute)
    return torch.device(name)


def require_gpu() -> None:
    """Raise ValueError, with driver, needed version, card and remedy, unless torch has a GPU that it can compute on."""
    if not torch.version.cuda:
        raise ValueError(f"a GPU was asked for, and torch {torch.__version__} is built without CUDA; {_REMEDY}")
    lowest = min(int(arch.removeprefix("sm_").rstrip("af")) for arch in _architectures())
    if torch.cuda.is_available() and _at_least(torch.cuda.get_device_capability(), lowest):
        return
    driver = _NEEDED_DRIVER.get(torch.version.cuda.split(".")[0], "of that version")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = "" if visible is None else f"; CUDA_VISIBLE_DEVICES is {visible!r}"
    raise ValueError(
        f"a GPU was asked for, and torch has none that it can use: {cards.described()}{seen}; CUDA "
        f"{torch.version.cuda} of torch {torch.__version__} needs driver {driver} or newer and compute capability "
        f"{lowest / 10} or higher; {_REMEDY}"
    )


def _architectures() -> list[str]:
    return [arch for arch in torch._C._cuda_getArchFlags().split() if arch.startswith("sm_")]


def _at_least(capability: tuple[int, int], lowest: int) -> bool:
    return 10 * capability[0] + capability[1] >= lowest


def _set_up(compute: Compute) -> None:
    """What torch does on a GPU, for the whole process; none of it changes anything on a CPU."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = compute.tf32
    torch.backends.cudnn.benchmark = compute.cudnn_benchmark and not compute.deterministic
    if compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True)


def arrange(network: Any, compute: Compute, device: torch.device, called: Sequence[str] = ("",)) -> Any:
    """A frozen network of the base model as the study wants it on a GPU; as it is on a CPU.

    called: names of the parts whose forward passes are run, to be compiled; "" is the network itself. They are
    compiled when they are first run, for each number of images anew or, from the second on, for any.
    """
    if device.type == "cuda":
        if compute.channels_last:
            network.to(memory_format=torch.channels_last)
        if compute.compile:
            for part in map(network.get_submodule, called):
                if part._compiled_call_impl is None:  # by a step before, in the same process
                    part.compile()
    return network


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


def ahead(items: Iterator[T], device: torch.device) -> Iterator[T]:
    """The items as they are; where a GPU is at work, each is made in a second thread while the one before is in use."""
    return _in_thread(items) if device.type == "cuda" else items


def _in_thread(items: Iterator[T]) -> Iterator[T]:
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item


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


def fitting(work: Callable[[Rows], T], rows: Rows, what: str = "images") -> tuple[Rows, T]:
    """As many of the first of `rows` as fit the device's memory, halved until they do, and what `work` gives for them.

    what: the rows are, for the log. Each halving is said on stderr. Raises ValueError when one image does not fit.
    """
    while True:
        try:
            return rows, work(rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        rows = rows[: _halve(len(rows), what)]  # here, where what the failed attempt held is free


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory is what was missing: torch's allocator, CUDA, cuBLAS and cuDNN each say it in their own way."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def _halve(batch_size: int, what: str) -> int:
    if batch_size < 2:
        raise ValueError("out of memory with a batch of one image; the base model needs a larger device")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = batch_size // 2
    print(f"out of memory with {batch_size} {what} at once, going on with {half}", file=sys.stderr, flush=True)
    return half


def _cpu_multiplies_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
