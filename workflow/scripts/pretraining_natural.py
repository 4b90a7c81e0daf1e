"""Pre-train a miniature Stable Diffusion on photographs with captions, duplicates of unseen images left out."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from realgap.pretraining import captions, model_folder
from realgap.report import charts
from realgap.run import steps
from realgap.store import shards
from scripts import pretraining_digits as digits


@dataclass(frozen=True)
class Options(digits.Options):
    """The section `natural` of workflow/pretraining/config.yaml, without where photographs come from."""

    images: int | None  # the first so many in a shuffled order, or all
    prompts: list[str]  # of the picture of samples, a row each


def main() -> None:
    files, o = steps.parse(
        __doc__, Options, photographs={}, screened={}, captions={}, card={"type": Path}, out=steps.BASE_MODEL
    )
    shard, screened = shards.read(files.photographs, "images"), pd.read_csv(files.screened)
    rows = chosen(shard, screened, o.images)
    images, labels, image_ids = (shard[name][rows] for name in ("images", "labels", "image_ids"))
    table = captions.read_table(files.captions)
    entries = [table[shard.attributes["classes"][label]] for label in labels]
    pipeline, traces = digits.train(images, captions.write(images, entries, image_ids, o.seed), o, files.out)

    model_folder.round_to_half(pipeline)
    facts = {"screening": in_words(screened), "photographs": f"{len(images):,}", "classes": f"{len(set(labels)):,}"}
    settings = {name: value for name, value in asdict(o).items() if name != "prompts"}
    card = model_folder.fill_card(files.card.read_text(), pipeline, settings, traces, **facts)
    pictures = {
        "samples.png": model_folder.sample_grid(pipeline, o.prompts, columns=10, guidance_scale=2.0, seed=o.seed),
        "reconstructions.png": model_folder.reconstructions(pipeline.vae, images[:: max(1, len(images) // 20)][:20]),
        "losses.png": model_folder.drawn(charts.losses({part: trace.losses for part, trace in traces.items()})),
    }
    model_folder.save(pipeline, files.out, card, pictures, torch.float16)
    digits.forget(files.out, o)


def chosen(shard: shards.Shard, screened: pd.DataFrame, count: int | None) -> np.ndarray:
    """Rows to train on, in an order that does not follow the folders' names, without duplicates of what is unseen."""
    if screened.image_id.tolist() != shard["image_ids"].tolist():
        raise ValueError("the screening must be of these photographs; delete it to make it again")
    order = np.argsort(shard["image_ids"])  # ids are hashes
    return order[~screened.duplicate.to_numpy()[order]][:count]


def in_words(screened: pd.DataFrame) -> str:
    near = screened.duplicate & ~screened.exact
    return (
        f"{len(screened):,} photographs were compared: {screened.exact.sum():,} have the same pixels as an "
        f"unseen image, {near.sum():,} more count as near duplicates and were left out; "
        f"the highest similarity among those trained on is {screened.similarity[~screened.duplicate].max():.3f}"
    )


if __name__ == "__main__":
    steps.run(main)
