"""Say what criteria chose among candidates and whether it helps: tables, figures, section."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from realgap import devices
from realgap.analyses.saliency import focus, grad_cam
from realgap.analyses.selection import figures, measures
from realgap.analyses.selection import section as analysis
from realgap.classifier import storage, training
from realgap.data import training_sets
from realgap.features import extractors
from realgap.report import sections, style, tables
from realgap.run import steps
from realgap.selection import criteria
from realgap.statistics.shares import mean_share
from realgap.store import naming, shards
from realgap.study.sources import REAL

PER_CLASS = 100  # images of each class and source that are looked at


@dataclass(frozen=True)
class Options(devices.Compute):
    sources: list[str]  # in the order of --shards: real first, then those of candidates, then selections
    of: dict[str, str]  # selection -> the source of its candidates
    candidates: dict[str, int]  # selection -> of a slot
    controls: dict[str, dict[str, str]]  # training set -> {"picked", "all": the training set to compare with}
    sampled: dict[str, int]  # training set -> images sampled for each real one
    training_sets: list[str]  # in the order of --predictions, all seeds of each
    layer: str
    margin: float
    seed: int


def main() -> None:
    pair, many = {"nargs": 2, "metavar": ("PNG", "SVG")}, {"nargs": "+"}
    outputs = {"gains": {}, "chosen": {}, "scores_figure": pair, "candidates_figure": pair, "section": {}}
    given = {"shards": many, "scores": many, "predictions": many, "auditor": {}}
    args, options = steps.parse(__doc__, Options, **given, **outputs)
    images = {
        source: shards.read_all(paths, "images")
        for source, paths in shards.by_source(options.sources, args.shards).items()
    }
    correct = {
        name: np.stack([_right(shards.read(path, "predictions")) for path in paths])
        for name, paths in shards.by_source(options.training_sets, args.predictions).items()
    }
    chance = tables.guessing(shards.read(args.predictions[0], "predictions")["labels"])
    table = analysis.gains(correct, options.controls, options.sampled, options.margin / 100, chance)
    chosen = pd.DataFrame(list(_looked_at(images, args.auditor, options)))
    for path, frame in ((args.gains, table), (args.chosen, chosen)):
        tables.save(path, frame)
    # real images that are chosen again are no candidates to look at
    generated = [of for of in dict.fromkeys(options.of.values()) if of != REAL]
    opened = [shards.read(path, "scores") for path in args.scores]
    scored = {of: _scores(of, images, opened, options) for of in generated}
    style.save(figures.scores(scored), *args.scores_figure)
    most = -(-figures.MOST_SLOTS // len(generated))
    slots = [slot for of in generated for slot in _slots(of, images, options, most)]
    style.save(figures.candidates(slots), *args.candidates_figure)
    sections.save(args.section, analysis.section(table, chosen))


def _right(predictions: shards.Shard) -> np.ndarray:
    return predictions["logits"].argmax(axis=1) == predictions["labels"]


def _looked_at(images: Mapping[str, list[shards.Shard]], auditor: str, options: Options) -> Any:
    """A row for each source: what a classifier that has chosen nothing says of its images."""
    device = devices.pick(options)
    model, made = storage.classifier(auditor)
    model.to(device)
    for source, opened in steps.progress(images.items(), len(images), "looking"):
        labels, ids, variants, pixels = (
            np.concatenate([one[name] for one in opened]) for name in ("labels", "image_ids", "variants", "images")
        )
        per_class = min(PER_CLASS, training_sets.smallest_class([labels]))
        rows = training_sets.equal_rows(labels, variants, ids, per_class, options.seed)
        targets, pixels = naming.positions(labels[rows], made["classes"]), pixels[rows]
        values = training.to_pixel_values(torch.from_numpy(pixels))
        said = grad_cam.attend(model, values, torch.from_numpy(targets), options.layer)
        features = extractors.penultimate(model, pixels, batch_size=128, device=device, dtype=torch.float32)
        wrong = said.logits.argmax(axis=1) != targets
        share, low, high = mean_share(wrong[None])
        yield {
            **{"source": source, "of": options.of.get(source), "n": len(labels)},
            "refused": sum(sum(one.attributes.get("refused", {}).values()) for one in opened),
            **{"label_errors": share, "low": low, "high": high},
            "vendi": measures.vendi_by_class(features, targets, per_class),
            "sharpness": float(measures.sharpness(pixels).mean()),
            "effective_area": float(np.nanmean(focus.focus(said.true_maps[~wrong])["effective_area"])),
        }


def _scores(
    of: str, images: Mapping[str, list[shards.Shard]], scores: list[shards.Shard], options: Options
) -> dict[str, dict[str, np.ndarray]]:
    """Score -> a source of candidates, and each selection of it -> the values of its images."""
    opened = [one for one in scores if one.attributes["source"] == of]
    known = {name: np.concatenate([one[name] for one in opened]) for name in opened[0].arrays}
    row_of = {key: row for row, key in enumerate(zip(known["image_ids"], known["variants"], strict=True))}
    values_of = {"entropy of judges": criteria.entropy_share(known["logits"])}
    values_of |= {name: known[name] for name in ("attention", "typicality")}
    rows = {name: _kept_rows(images[name], row_of) for name, its in options.of.items() if its == of}
    return {
        score: {of: values, **{name: values[own] for name, own in rows.items()}} for score, values in values_of.items()
    }


def _kept_rows(opened: list[shards.Shard], row_of: Mapping[tuple, int]) -> list[int]:
    ids = np.concatenate([one["image_ids"] for one in opened])
    kept = [variant for one in opened for variant in one.attributes["kept"]]
    return [row_of[key] for key in zip(ids, kept, strict=True)]


def _slots(of: str, images: Mapping[str, list[shards.Shard]], options: Options, most: int) -> Iterator[figures.Slot]:
    """The first slot of each of the first classes of a source of candidates."""
    selections = [name for name, its in options.of.items() if its == of]
    k = options.candidates[selections[0]]
    classes = naming.joint({n: one.attributes for n, one in enumerate(images[of])})
    for class_name, label in itertools.islice(classes.items(), most):
        shard = next(one for one in images[of] if label in one["labels"])
        image_id = shard["image_ids"][shard["labels"] == label][0]
        own = np.flatnonzero((shard["image_ids"] == image_id) & (shard["variants"] < k))
        kept = {name: _kept_of(images[name], image_id, k) for name in selections if options.candidates[name] == k}
        shown = shard["images"][own[np.argsort(shard["variants"][own])]]
        yield figures.Slot(shown, f"{style.name(of)}:\n{class_name}", kept)


def _kept_of(selected: list[shards.Shard], image_id: int, k: int) -> int:
    """Which candidate of an image's first slot is kept."""
    of = next(one for one in selected if image_id in one["image_ids"])
    (row,) = np.flatnonzero((of["image_ids"] == image_id) & (of["variants"] == 0))
    return of.attributes["kept"][row] % k


if __name__ == "__main__":
    steps.run(main)
