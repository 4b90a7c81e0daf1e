"""Say what criteria chose among candidates and whether it helps: tables, figures, section."""

from collections.abc import Mapping
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
    table = analysis.gains(correct, options.controls, options.sampled, options.margin / 100)
    chosen = pd.DataFrame(list(_looked_at(images, args.auditor, options)))
    for path, frame in ((args.gains, table), (args.chosen, chosen)):
        tables.save(path, frame)
    style.save(figures.scores(_scores(images, args.scores, options)), *args.scores_figure)
    style.save(_candidates(images, options), *args.candidates_figure)
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
    images: Mapping[str, list[shards.Shard]], paths: list[str], options: Options
) -> dict[str, dict[str, np.ndarray]]:
    """Score -> the first source of candidates, and each selection of it, -> the values of its images."""
    first = next(iter(options.of.values()))
    opened = [one for one in (shards.read(path, "scores") for path in paths) if one.attributes["source"] == first]
    known = {name: np.concatenate([one[name] for one in opened]) for name in opened[0].arrays}
    row_of = {key: row for row, key in enumerate(zip(known["image_ids"], known["variants"], strict=True))}
    of_all = {"entropy of judges": criteria.entropy_share(known["logits"])}
    of_all |= {name: known[name] for name in ("attention", "typicality")}
    found = {}
    for score, values in of_all.items():
        found[score] = {first: values}
        for name, of in options.of.items():
            if of == first:
                found[score][name] = values[_kept_rows(images[name], row_of)]
    return found


def _kept_rows(opened: list[shards.Shard], row_of: Mapping[tuple, int]) -> list[int]:
    ids = np.concatenate([one["image_ids"] for one in opened])
    kept = [variant for one in opened for variant in one.attributes["kept"]]
    return [row_of[key] for key in zip(ids, kept, strict=True)]


def _candidates(images: Mapping[str, list[shards.Shard]], options: Options) -> Any:
    """The first slot of each class of the first source of candidates."""
    first = next(iter(options.of.values()))
    selections = [name for name, of in options.of.items() if of == first]
    k = options.candidates[selections[0]]
    slots, titles, kept = [], [], {name: [] for name in selections if options.candidates[name] == k}
    for class_name, label in naming.joint({n: one.attributes for n, one in enumerate(images[first])}).items():
        shard = next(one for one in images[first] if label in one["labels"])
        image_id = shard["image_ids"][shard["labels"] == label][0]
        own = np.flatnonzero((shard["image_ids"] == image_id) & (shard["variants"] < k))
        slots.append(shard["images"][own[np.argsort(shard["variants"][own])]])
        titles.append(class_name)
        for name, which in kept.items():
            of = next(one for one in images[name] if image_id in one["image_ids"])
            (row,) = np.flatnonzero((of["image_ids"] == image_id) & (of["variants"] == 0))
            which.append(of.attributes["kept"][row] % k)
        if len(slots) == figures.MOST_SLOTS:
            break
    return figures.candidates(slots, kept, titles)


if __name__ == "__main__":
    steps.run(main)
