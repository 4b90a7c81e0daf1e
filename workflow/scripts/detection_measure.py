"""Measure how well small classifiers tell each set of images from real test images."""

from dataclasses import dataclass
from functools import partial

from realgap import devices
from realgap.analyses.detection import figures as drawing
from realgap.analyses.detection import measures
from realgap.analyses.detection import section as analysis
from realgap.data import training_sets
from realgap.features import image_sets
from realgap.report import figures, sections, tables
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options(devices.Compute):
    sources: list[str]  # of --features and --shards: all shards of the first source, then of the next
    images_per_class: int | None  # None: as many as the smallest class of any set has
    folds: int
    steps: int
    seed: int


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, options = steps.parse(
        __doc__,
        Options,
        test_features={},
        test={},
        features={"nargs": "+"},
        shards={"nargs": "+"},
        table={},
        figure=pair,
        section={},
    )
    sets = {"test": image_sets.load(args.test_features, [args.test])}
    sets |= image_sets.load_each(options.sources, args.features, args.shards)
    smallest = training_sets.smallest_class(one.labels for one in sets.values())
    sets = {
        key: one.cut(min(smallest, options.images_per_class or smallest), options.seed) for key, one in sets.items()
    }
    test = sets.pop("test")
    detectors = {
        "features": measures.on_features,
        "pixels": partial(measures.on_pixels, steps=options.steps, device=devices.pick(options)),
    }
    extractor = shards.read(args.test_features, "features").attributes["extractor"]
    found = analysis.detections(test, sets, detectors, extractor, options.seed, min(options.folds, len(test.labels)))
    tables.save(args.table, found)
    figures.save(drawing.areas(found), *args.figure)
    sections.save(args.section, analysis.section(found))


if __name__ == "__main__":
    steps.run(main)
