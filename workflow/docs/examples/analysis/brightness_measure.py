"""Measure how bright the images of each source are."""

from dataclasses import dataclass

import numpy as np

from realgap.analyses.brightness import section as analysis
from realgap.report import sections, tables
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    sources: list[str]  # of --shards: all shards of the first source, then of the next, equally many
    resamples: int
    seed: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, shards={"nargs": "+"}, table={}, section={})
    images = {
        source: np.concatenate([shards.read(path, "images")["images"] for path in paths])
        for source, paths in shards.by_source(options.sources, args.shards).items()
    }
    table = analysis.brightness(images, options.seed, options.resamples)
    tables.save(args.table, table)
    sections.save(args.section, analysis.section(table))


if __name__ == "__main__":
    steps.run(main)
