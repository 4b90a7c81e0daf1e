"""Audit memorisation: do generated images repeat training images? With what classifiers give away beside it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap.analyses.memorisation import figures as drawing
from realgap.analyses.memorisation import section as analysis
from realgap.analyses.memorisation.measures import audit, closest_pairs
from realgap.data import training_sets
from realgap.features import image_sets
from realgap.report import charts, sections, style, tables
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    sources: list[str]  # of --features and --shards: all shards of the first source, then of the next
    generators: list[str]  # those of which the closest pairs are shown
    near_copy_quantile: float
    pairs: int
    resamples: int
    seed: int


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    many = {"nargs": "+"}
    args, options = steps.parse(
        __doc__,
        Options,
        **{"train_features": {}, "train": many, "test_features": {}, "test": {}, "features": many, "shards": many},
        **{"membership_seeds": {}, "copies": {}, "images": {}, "membership": {}, "section": {}},
        **{"ratios": pair, "pairs": pair},
    )
    train = image_sets.load(args.train_features, args.train)
    test = image_sets.load(args.test_features, [args.test])
    sets = image_sets.load_each(options.sources, args.features, args.shards)
    extractor = shards.read(args.test_features, "features").attributes["extractor"]
    per_class = training_sets.smallest_class(one.labels for one in (train, *sets.values()))
    first = {source: one.cut(per_class, options.seed) for source, one in sets.items()}
    ids = {analysis.HELD_OUT: test.image_ids[::2], **{source: one.image_ids for source, one in first.items()}}
    copied, by_image = [], []
    for space in (extractor, "pixels"):
        pools = analysis.Pools(_points(train, space), _points(test, space))
        points = {source: _points(one, space) for source, one in first.items()}
        audited = analysis.audits(pools, points, options.seed, options.near_copy_quantile)
        copied.append(analysis.copies(audited, space, options.seed, options.resamples))
        by_image.append(analysis.ratios(audited, ids, space))
    copied, by_image = pd.concat(copied, ignore_index=True), pd.concat(by_image, ignore_index=True)
    by_set = analysis.over_seeds(pd.read_csv(args.membership_seeds))
    for path, frame in ((args.copies, copied), (args.images, by_image), (args.membership, by_set)):
        tables.save(path, frame)
    style.save(drawing.ratios(by_image), *args.ratios)
    style.save(charts.pairs(_closest(train, test, sets, options)), *args.pairs)
    sections.save(args.section, analysis.section(copied, by_set, options.near_copy_quantile, extractor))


def _points(one: image_sets.ImageSet, space: str) -> np.ndarray:
    return one.images.reshape(len(one.images), -1) / 255.0 if space == "pixels" else one.features


def _closest(train: image_sets.ImageSet, test: image_sets.ImageSet, sets: dict, options: Options) -> dict:
    """generator -> [(generated image, training image, distance)], closest first, of all variants."""
    found = {}
    for source in options.generators:
        own = sets[source]
        result = audit(own.features, train.features, test.features, options.seed, options.near_copy_quantile)
        rows = closest_pairs(result, options.pairs)
        found[source] = [(own.images[i], train.images[j], float(result.train_distance[i])) for i, j in rows]
    return found


if __name__ == "__main__":
    steps.run(main)
