"""A model folder in diffusers' own layout, with a model card and a picture of samples, written whole."""

import datetime
import io
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline
from matplotlib import pyplot as plt
from PIL import Image

from realgap.pretraining.fitting import Trace, encode
from realgap.report import text_tables
from realgap.streams import stream


def save(
    pipeline: StableDiffusionPipeline,
    folder: Path,
    card: str,
    pictures: Mapping[str, Image.Image],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Save the pipeline with `card` as README.md and pictures by their files' names; `folder` is replaced whole.

    Weights are stored, and from then on held, in `dtype`.
    """
    for part in modules(pipeline).values():
        part.to(dtype)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        whole, old = Path(beside) / "new", Path(beside) / "old"
        pipeline.save_pretrained(whole)
        # vocab.json and merges.txt, as Stable Diffusion 1.4 has them beside tokenizer.json
        pipeline.tokenizer.backend_tokenizer.model.save(str(whole / "tokenizer"))
        (whole / "README.md").write_text(card)
        for name, picture in pictures.items():
            picture.save(whole / name, optimize=True)
        _settle(whole)
        if folder.exists():
            folder.rename(old)
        whole.rename(folder)


def sample_grid(
    pipeline: StableDiffusionPipeline, prompts: Sequence[str], columns: int, guidance_scale: float, seed: int
) -> Image.Image:
    """A row of `columns` samples for each prompt (DPM-Solver, 20 steps), each with its own random stream."""
    pipeline = StableDiffusionPipeline(
        **{
            **pipeline.components,
            "scheduler": DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config),
        },
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for prompt in prompts:
        seeds = [int(stream(seed, "sample_grid", prompt, i).integers(2**63)) for i in range(columns)]
        images = pipeline(
            [prompt] * columns,
            num_inference_steps=20,
            guidance_scale=guidance_scale,
            generator=[torch.Generator().manual_seed(s) for s in seeds],
        ).images
        rows.append(np.concatenate([np.asarray(image) for image in images], axis=1))
    return Image.fromarray(np.concatenate(rows))


def reconstructions(vae: AutoencoderKL, images: np.ndarray) -> Image.Image:
    """Images uint8 (n, h, w, 3) in a row, and below each what the VAE makes of its posterior's mean."""
    with torch.no_grad():
        decoded = vae.decode(encode(vae, images)[0]).sample
    restored = ((decoded.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return Image.fromarray(np.concatenate([np.concatenate([*row], axis=1) for row in (images, restored)]))


def round_to_half(pipeline: StableDiffusionPipeline) -> None:
    """Round all weights in place to what half precision holds, so that pictures are of the model as it is stored."""
    for part in modules(pipeline).values():
        part.to(torch.float16).to(torch.float32)


def modules(pipeline: StableDiffusionPipeline) -> dict[str, torch.nn.Module]:
    """The parts that have weights, by name."""
    return {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}


def drawn(figure: plt.Figure) -> Image.Image:
    """A matplotlib figure as a picture; closes it."""
    content = io.BytesIO()
    figure.savefig(content, dpi=100, bbox_inches="tight")
    plt.close(figure)
    return Image.open(content).convert("RGB")


def fill_card(
    template: str,
    pipeline: StableDiffusionPipeline,
    settings: Mapping[str, Any],
    traces: Mapping[str, Trace],
    **facts: str,
) -> str:
    """The model card: `template` with its $names filled in; KeyError if it asks for another than these.

    They are parts, settings, losses (tables), times, machine, versions and date, and the `facts`.
    """
    parts = {
        name: (type(part).__name__, f"{sum(p.numel() for p in part.parameters()):,}")
        for name, part in modules(pipeline).items()
    }
    return Template(template).substitute(
        parts=text_tables.markdown(("part", "class", "parameters"), [(name, *part) for name, part in parts.items()]),
        settings=text_tables.markdown(("setting", "value"), [(f"`{key}`", value) for key, value in settings.items()]),
        losses=text_tables.markdown(
            ("loss over each tenth of training", *(f"{10 * i}%" for i in range(1, 11))),
            [(name, *(f"{loss:.4f}" for loss in _tenths(trace.losses))) for name, trace in traces.items()],
        ),
        times=", ".join(f"{name} {trace.seconds:.0f} s" for name, trace in traces.items()),
        machine=f"{_processor()}, {torch.get_num_threads()} thread(s)",
        versions=", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers")),
        date=datetime.date.today().isoformat(),
        **facts,
    )


def _settle(folder: Path) -> None:
    """Readable for the group (safetensors writes private files) and flushed to disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            with open(path, "rb") as f:
                os.fsync(f.fileno())


def _tenths(losses: Sequence[float]) -> list[float]:
    """Mean loss over each tenth of training, of at least one step."""
    bounds = [i * len(losses) // 10 for i in range(11)]
    return [float(np.mean(losses[low : max(high, low + 1)])) for low, high in zip(bounds, bounds[1:], strict=False)]


def _processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
