"""One lever at a time: a visit's forward and backward pass in other layouts, precisions and compilations, by batch.

Not what a study does, but what it could: each is raced against the eager network of the precision a study picks.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from realgap import devices
from realgap.base_model import denoiser
from realgap.cost import flops
from tests.benchmarks import subjects
from tests.benchmarks.harness import Contest

BATCHES = {"cpu": (50,), "cuda": (1, 4, 16, 64, 256, 1_024)}


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    subject = subjects.subject(device, folder)
    auto = devices.pick_dtype("auto", device)
    forward, backward = flops.unet(subject.unet, subject.latent_size, subject.num_tokens)
    eager = f"eager ({subjects.precision(auto)})"
    for batch in BATCHES[device.type]:
        visiting = {name: partial(make, subject, auto, batch) for name, make in _levers(device).items()}
        for name, make in visiting.items():
            yield Contest(
                f"a visit, batch {batch}, {name}",
                "forward and backward pass to the conditioning",
                batch,
                {name: make(), eager: visit(subject, auto, batch)},
                flop=batch * (forward + backward),
            )


def _levers(device: torch.device) -> dict[str, Callable]:
    levers = {
        "float32": lambda subject, _, batch: visit(subject, torch.float32, batch),
        "fused attention": partial(visit, attention=AttnProcessor2_0),  # what a GPU runs already
        "attention written out": partial(visit, attention=AttnProcessor),  # what a CPU runs already
        "float32, attention written out": lambda subject, _, batch: visit(
            subject, torch.float32, batch, attention=AttnProcessor
        ),
        "channels_last": partial(visit, layout=torch.channels_last),
    }
    if device.type == "cuda":  # on a CPU compiling takes longer than the study
        levers["compiled"] = partial(visit, compiling={})
        levers["compiled, channels_last"] = partial(visit, layout=torch.channels_last, compiling={})
        levers["CUDA graphs"] = partial(visit, layout=torch.channels_last, compiling={"mode": "reduce-overhead"})
    return levers


def visit(
    subject: subjects.Subject,
    dtype: torch.dtype,
    batch: int,
    layout: torch.memory_format = torch.contiguous_format,
    compiling: dict | None = None,
    attention: Callable[[], object] | None = None,
) -> Callable[[], object]:
    unet = denoiser.load(subject.folder, subject.device, dtype).to(memory_format=layout)
    if attention is not None:
        unet.set_attn_processor(attention())
    if compiling is not None:
        unet.compile(**compiling)
    predict, device = denoiser.predictor(unet), subject.device
    shape = (batch, subject.unet["in_channels"], subject.latent_size, subject.latent_size)
    latents = torch.randn(shape, device=device).contiguous(memory_format=layout)
    target, timesteps = torch.randn(shape, device=device), torch.arange(batch, device=device)
    width = subject.unet["cross_attention_dim"]
    conditioning = torch.randn((batch, subject.num_tokens, width), device=device, requires_grad=True)

    def call() -> torch.Tensor:
        loss = (predict(latents, timesteps, conditioning) - target).square().mean()
        return torch.autograd.grad(loss, conditioning)[0]

    return call
