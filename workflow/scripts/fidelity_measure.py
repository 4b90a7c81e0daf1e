"""Measure how far each set of generated images is from real ones and how much of them it covers."""

from dataclasses import dataclass
from functools import partial

from realgap.analyses.fidelity import figures as drawing
from realgap.analyses.fidelity import section as analysis
from realgap.data.training_sets import smallest_class
from realgap.report import charts, sections, style, tables
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    sources: list[str]  # of --generated, in that order
    images_per_class: int | None  # None: as many as the smallest class of any set has
    neighbours: int
    resamples: int
    subsets: int
    subset_size: int
    seed: int


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    files = {"test": {}, "train": {}, "generated": {"nargs": "+"}}
    outputs = {"table": {}, "measurements": {}, "subsets": {}, "figure": pair, "classes": pair, "section": {}}
    args, options = steps.parse(__doc__, Options, **files, **outputs)
    test, train, *others = shards.read_all([args.test, args.train, *args.generated], "features")
    generated = dict(zip(options.sources, others, strict=True))
    smallest = smallest_class(shard["labels"] for shard in (test, train, *generated.values()))
    per_class = min(smallest, options.images_per_class or smallest)
    neighbours = min(options.neighbours, per_class - 1)
    cut = partial(analysis.cut, seed=options.seed)
    sets = {source: cut(shard, per_class) for source, shard in generated.items()}
    references = {
        "test": (
            cut(test, smallest_class([test["labels"]])),
            {"real": cut(train, per_class), **sets},
        ),
        "train": (cut(train, per_class), {"real": cut(test, per_class), **sets}),
    }
    extractor = test.attributes["extractor"]
    names = naming.names({args.test: test.attributes})
    measured = analysis.measurements(
        references, names, extractor=extractor, seed=options.seed, k=neighbours, resamples=options.resamples
    )
    answered = analysis.answer(measured)
    published = analysis.subsets(references, extractor, options.seed, options.subsets, options.subset_size)
    for path, frame in ((args.table, answered), (args.measurements, measured), (args.subsets, published)):
        tables.save(path, frame)
    style.save(drawing.metrics(answered), *args.figure)
    by_class = measured[measured.reference == "test"].assign(sure=lambda frame: frame.family_p <= 0.05)
    style.save(charts.by_class_heat(by_class, ["density", "coverage"], names), *args.classes)
    sections.save(args.section, analysis.section(answered, extractor, per_class, neighbours))


if __name__ == "__main__":
    steps.run(main)
