"""Samples of a source of the digits study, as the workflow's step draws them, and the UNet calls that they took."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from realgap.base_model import denoiser, schedules
from realgap.base_model.samplers import Sampler
from realgap.diffusion import sampling
from realgap.study import counts, sources
from scripts import sampling_sample as step
from tests import checkout
from tests.benchmarks.study import CPU, Images, Study


class Drawn(NamedTuple):
    """Samples, variants of an image side by side."""

    images: Images
    calls: float  # rows that the UNet saw, for a sample
    calls_before: float  # for an image, to its noise


def draw(of: Study, embeddings: np.ndarray, source: dict[str, Any], solver: Sampler, variants: int) -> Drawn:
    """So many samples of each image, of an entry of a study's section `sources`.

    embeddings: float32 (n, tokens, width) of the study's images; solver: instead of the source's scheduler.
    """
    shape = denoiser.latent_shape(of.model, of.vae, of.unet, of.config["base_model"]["resolution"])
    scheduler = schedules._made(of.model, solver.kind, dict(solver.settings))
    model = step.Model(of.vae, of.unet, shape, scheduler, CPU)
    templates = str(checkout.ROOT / of.config["prompts"]["templates"])
    names = list(counts.per_class(of.config))
    drawn, rows, seen, before = [], [], 0, 0
    for label in of.labels:
        own = np.flatnonzero(of.images["labels"] == label)
        options, items = (
            _options(of, source, names[label], variants),
            sampling.items(of.images["image_ids"][own], variants),
        )
        learned = {
            "embeddings": embeddings[own],
            "image_ids": of.images["image_ids"][own],
            "labels": of.images["labels"][own],
        }
        if options.conditioning == "prompts":
            prompts = step.prompting.of_class(templates, options.class_name)
            chosen = prompts if options.inversion_steps is None else prompts[:1]
            given, away = step.of_prompts(of.model, chosen, items, options, CPU)
        else:
            given = step.of_embeddings(options, items, learned, label)
            away = step.away_from(options, learned["embeddings"], of.model, CPU)
        moments = _moments(of, own)
        noise = None
        if options.inversion_steps is not None:
            with _counted(of.unet) as calls:
                noise = step._inverted(of.model, options, model, items, given, moments)
            before += sum(calls)
        with _counted(of.unet) as calls:
            drawn += step.draw(model, options, items, given, away, moments, noise)
        seen += sum(calls)
        rows.append(np.repeat(own, variants))
    rows = np.concatenate(rows)
    images = {"images": np.concatenate(drawn), "labels": of.images["labels"][rows], "sources": rows}
    return Drawn(images, seen / len(rows), before / len(of.images["labels"]))


def _options(of: Study, source: dict[str, Any], class_name: str, variants: int) -> step.Options:
    own = sources.of({"sources": {"arm": source}})["arm"]
    config = of.config
    settings = {**sources.NEUTRAL, **own.settings, "conditioning": own.conditioning, "samples_per_image": variants}
    return step.Options(
        **settings,
        source=own.name,
        class_name=class_name,
        images=None,
        resolution=config["base_model"]["resolution"],
        image_size=config["dataset"]["image_size"],
        batch_size=config["sampling"]["batch_size"],
        seed=0,
    )


def _moments(of: Study, rows: np.ndarray) -> dict[str, np.ndarray]:
    mean, std = of.moments({name: of.images[name][rows] for name in ("images", "labels", "image_ids")})
    return {"mean": mean, "std": std, "image_ids": of.images["image_ids"][rows]}


@contextmanager
def _counted(unet: torch.nn.Module) -> Iterator[list[int]]:
    """The rows of each call of a UNet."""
    rows: list[int] = []
    handle = unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    try:
        yield rows
    finally:
        handle.remove()
