"""Screen photographs against a data set that must stay unseen: the closest pairs, and which count as duplicates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from realgap.data import loaders, screening, splits
from realgap.report import charts, style, tables
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    unseen: str  # the data set by name
    unseen_root: str
    image_size: int
    duplicate_threshold: float  # similarity from which on a pair counts as near duplicates
    pairs: int  # closest pairs that are shown


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, options = steps.parse(__doc__, Options, photographs={}, table={}, figure=pair)
    photographs = shards.read(args.photographs, "images")
    parts = [loaders.LOADERS[options.unseen](Path(options.unseen_root), split) for split in ("train", "test")]
    taken = [splits.take(part, range(len(part.labels)), options.image_size) for part in parts if part is not None]
    unseen = {name: np.concatenate([one[name] for one in taken]) for name in ("images", "image_ids")}
    found = screening.closest(photographs["images"], unseen["images"])
    table = pd.DataFrame(
        {
            "image_id": photographs["image_ids"],
            "unseen_id": unseen["image_ids"][found.row],
            "similarity": found.similarity,
            "exact": found.exact,
            "duplicate": found.exact | (found.similarity >= options.duplicate_threshold),
        }
    )
    tables.save(args.table, table)
    order = np.argsort(-found.similarity)[: options.pairs]
    shown = [(photographs["images"][i], unseen["images"][found.row[i]], 1 - float(found.similarity[i])) for i in order]
    lines = {f"{i + 1} to {i + 8}": shown[i : i + 8] for i in range(0, len(shown), 8)}
    style.save(charts.pairs(lines), *args.figure)


if __name__ == "__main__":
    steps.run(main)
