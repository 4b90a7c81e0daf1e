"""Audit: do generated images repeat training images, and do classifiers' losses give these away?"""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap import charts, classifiers, devices, figures, image_sets, panels, sections, shards, steps, tables, weights
from realgap.analyses import memorisation as analysis
from realgap.memorisation import audit, closest_pairs


@dataclass(frozen=True)
class Options:
    sources: list[str]  # of --features and --shards: all shards of the first source, then of the next
    generators: list[str]  # those of which the closest pairs are shown
    chance: float
    members_per_class: int
    pairs: int
    resamples: int
    seed: int
    device: str
    precision: str


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    many = {"nargs": "+"}
    args, options = steps.parse(
        __doc__,
        Options,
        **{"train_features": {}, "train": many, "test_features": {}, "test": {}, "features": many, "shards": many},
        **{"classifiers": many, "predictions": many},
        **{"copies": {}, "images": {}, "membership": {}, "membership_seeds": {}, "section": {}},
        **{"ratios": pair, "pairs": pair},
    )
    train = image_sets.load(args.train_features, args.train)
    test = image_sets.load(args.test_features, [args.test])
    sets = image_sets.load_each(options.sources, args.features, args.shards)
    extractor = shards.read(args.test_features, "features").attributes["extractor"]
    per_class = image_sets.smallest_class(one.labels for one in (train, *sets.values()))
    first = {source: one.cut(per_class, options.seed) for source, one in sets.items()}
    ids = {analysis.HELD_OUT: test.image_ids[::2], **{source: one.image_ids for source, one in first.items()}}
    copied, by_image = [], []
    for space in (extractor, "pixels"):
        pools = analysis.Pools(_points(train, space), _points(test, space))
        points = {source: _points(one, space) for source, one in first.items()}
        audited = analysis.audits(pools, points, options.seed, options.chance)
        copied.append(analysis.copies(audited, space, options.seed, options.resamples))
        by_image.append(analysis.ratios(audited, ids, space))
    copied, by_image = pd.concat(copied, ignore_index=True), pd.concat(by_image, ignore_index=True)
    members = analysis.membership(_losses_of(args, train, options), options.seed, options.resamples)
    by_set = analysis.over_seeds(members)
    for path, frame in (
        (args.copies, copied),
        (args.images, by_image),
        (args.membership, by_set),
        (args.membership_seeds, members),
    ):
        tables.save(path, frame)
    figures.save(charts.ratios(by_image), *args.ratios)
    figures.save(panels.pairs(_closest(train, test, sets, options)), *args.pairs)
    sections.save(args.section, analysis.section(copied, by_set, options.chance, extractor))


def _points(one: image_sets.ImageSet, space: str) -> np.ndarray:
    return one.images.reshape(len(one.images), -1) / 255.0 if space == "pixels" else one.features


def _losses_of(args: Namespace, train: image_sets.ImageSet, options: Options) -> Iterator[dict]:
    """What every classifier says of real training images and of test images."""
    classes = np.unique(train.labels)
    members = train.cut(min(options.members_per_class, image_sets.smallest_class([train.labels])), options.seed)
    device = devices.pick(options.device)
    settings = {"batch_size": 256, "device": device, "dtype": devices.pick_dtype(options.precision, device)}
    for network, predictions in zip(args.classifiers, args.predictions, strict=True):
        model, made = weights.classifier(network)
        logits = classifiers.predict(model, members.images, **settings)
        others = shards.read(predictions, "predictions")
        yield {
            "training_set": made["training_set"],
            "seed": made["options"]["seed"],
            "members": (logits, np.searchsorted(classes, members.labels)),
            "others": (others["logits"], others["labels"]),
        }


def _closest(train: image_sets.ImageSet, test: image_sets.ImageSet, sets: dict, options: Options) -> dict:
    """generator -> [(generated image, training image, distance)], closest first, of all variants."""
    found = {}
    for source in options.generators:
        own = sets[source]
        result = audit(own.features, train.features, test.features, options.seed, options.chance)
        rows = closest_pairs(result, options.pairs)
        found[source] = [(own.images[i], train.images[j], float(result.train_distance[i])) for i, j in rows]
    return found


if __name__ == "__main__":
    steps.run(main)
