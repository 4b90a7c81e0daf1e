"""Diagnose where the classifiers fail: by class, by confusion, by confidence, far from the real training data."""

from dataclasses import dataclass

import numpy as np

from realgap.analyses.errors import figures as drawing
from realgap.analyses.errors import measures
from realgap.analyses.errors import section as analysis
from realgap.analyses.fidelity.distances import nearest
from realgap.data.training_sets import smallest_class
from realgap.report import sections, style, tables
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    confidence_bins: int
    distance_bins: int
    margin: float  # points of accuracy


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    files = {"predictions": {"nargs": "+"}, "test": {}, "train": {}}
    outputs = {"table": {}, "images": {}, "classes": {}, "confusion": {}, "edge": {}, "reliability": {}, "section": {}}
    drawn = {"class_figure": pair, "confusion_figure": pair, "edge_figure": pair, "calibration_figure": pair}
    args, options = steps.parse(__doc__, Options, **files, **outputs, **drawn)
    runs = shards.read_all(args.predictions, "predictions")
    names = naming.names({path: run.attributes for path, run in zip(args.predictions, runs, strict=True)})
    distances = _distances(*shards.read_all([args.test, args.train], "features"))
    bins = min(options.distance_bins, smallest_class([runs[0]["labels"]]))
    margin = options.margin / 100
    bin_of = measures.distance_bins(distances, runs[0]["labels"], bins)
    observed = analysis.observations(runs, names, distances, bin_of)
    by_class = analysis.by_class(observed, names)
    by_distance = analysis.by_distance(observed, margin)
    confused = analysis.confusions(observed, names)
    reliability = analysis.reliability(runs, options.confidence_bins)
    answered = analysis.answer(observed, runs, options.confidence_bins, margin)
    for path, frame in (
        (args.table, answered),
        (args.images, observed),
        (args.classes, by_class),
        (args.confusion, confused),
        (args.edge, by_distance),
        (args.reliability, reliability),
    ):
        tables.save(path, frame)
    style.save(drawing.class_accuracy(by_class, names), *args.class_figure)
    style.save(drawing.confusion(confused, names), *args.confusion_figure)
    style.save(drawing.edge(by_distance), *args.edge_figure)
    style.save(drawing.reliability(reliability), *args.calibration_figure)
    sections.save(args.section, analysis.section(answered, by_class, confused, bins, margin))


def _distances(test: shards.Shard, train: shards.Shard) -> np.ndarray:
    """Of each test image to the nearest real training image of its class, (n,)."""
    distances = np.empty(len(test))
    for label in np.unique(test["labels"]):
        own = test["labels"] == label
        distances[own], _ = nearest(test["features"][own], train["features"][train["labels"] == label])
    return distances


if __name__ == "__main__":
    steps.run(main)
