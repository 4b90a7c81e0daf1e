"""Which of a study's options pay on a GPU (compute.compile, channels_last, cudnn_benchmark, tf32), each beside none.

    envs/run python -m tests.benchmarks --device cuda --stage options --minutes 8

A visit of inversion and a guided step of sampling, in the shapes of Stable Diffusion 1.4 at 128 px. What is quick to
measure comes first; on a CPU, where the options change nothing, the stage shows that it runs.
"""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from realgap import devices
from realgap.base_model import denoiser
from realgap.cost import flops
from tests.benchmarks import subjects
from tests.benchmarks.harness import Contest

Load = Callable[[torch.dtype], Any]  # of the frozen UNet

OPTIONS = (
    {"channels_last": True},
    {"cudnn_benchmark": True},
    {"channels_last": True, "cudnn_benchmark": True},
    {"precision": "fp32", "tf32": True},
    {"precision": "fp32"},
    {"compile": "auto"},
    {"compile": "auto", "channels_last": True},
)


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    subject = subjects.subject(device, folder)
    # once in each precision: to read gigabytes takes longer than to race
    load = cache(lambda dtype: denoiser.load(subject.folder, device, dtype))
    forward, backward = flops.unet(subject.unet, subject.latent_size, subject.num_tokens)
    works = {"a visit": (visit, 1, forward + backward), "a guided step": (guided_step, 2, 2 * forward)}
    for chosen in OPTIONS:
        for name, (make, branches, flop) in works.items():
            n = subject.batch_size
            yield Contest(
                f"{name}, batch {n}, {_words(chosen)}",
                "forward and backward pass to the conditioning" if branches == 1 else "both branches, forward",
                n,
                {
                    _words(chosen): make(subject, load, branches * n, devices.Compute(device=device.type, **chosen)),
                    "no option": make(subject, load, branches * n, devices.Compute(device=device.type)),
                },
                flop=n * flop,
            )


def visit(subject: subjects.Subject, load: Load, rows: int, compute: devices.Compute) -> Callable[[], object]:
    """The passes of one visit of so many images."""
    predict, given = _predictor(subject, load, compute), _given(subject, rows)
    target = torch.randn_like(given[0])

    def call() -> torch.Tensor:
        devices.pick(compute)  # its options hold for the whole process
        loss = (predict(*given) - target).square().mean()
        return torch.autograd.grad(loss, given[2])[0]

    return call


def guided_step(subject: subjects.Subject, load: Load, rows: int, compute: devices.Compute) -> Callable[[], object]:
    """The denoiser's part of a step of sampling, on so many rows of both branches."""
    predict, given = _predictor(subject, load, compute), _given(subject, rows)

    def call() -> torch.Tensor:
        devices.pick(compute)
        with torch.inference_mode():
            return predict(*given)

    return call


def _predictor(subject: subjects.Subject, load: Load, compute: devices.Compute) -> Callable[..., torch.Tensor]:
    unet = copy.deepcopy(load(devices.pick_dtype(compute.precision, subject.device)))
    return denoiser.predictor(devices.arrange(unet, compute, subject.device))


def _given(subject: subjects.Subject, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents, timesteps and a conditioning that takes a gradient."""
    side, device = subject.latent_size, subject.device
    latents = torch.randn((rows, subject.unet["in_channels"], side, side), device=device)
    timesteps = torch.arange(rows, device=device) % 1000
    width = subject.unet["cross_attention_dim"]
    return latents, timesteps, torch.randn((rows, subject.num_tokens, width), device=device, requires_grad=True)


def _words(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {str(value).lower()}" for key, value in chosen.items())
