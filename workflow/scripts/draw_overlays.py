"""Draw segments, vanishing points and horizon over real images and what each source made of the same ones."""

from dataclasses import dataclass

import cv2
import numpy as np

from realgap import figures, shards, steps
from realgap.geometry import pictures
from realgap.geometry.segments import detector
from realgap.geometry.vanishing import points_of_segments

MOST_ROWS = 4


@dataclass(frozen=True)
class Options:
    sources: list[str]  # in the order of --shards: all shards of the first source, then of the next
    detector: str


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, options = steps.parse(__doc__, Options, measured={}, shards={"nargs": "+"}, out=pair)
    chosen, detect = _typical(shards.read(args.measured, "geometry"))[:MOST_ROWS], detector(options.detector)
    rows: list[dict] = [{} for _ in chosen]
    for source, paths in zip(options.sources, np.array_split(args.shards, len(options.sources)), strict=True):
        for shard in (shards.read(path, "images") for path in paths):
            for row in np.flatnonzero((shard["variants"] == 0) & np.isin(shard["image_ids"], chosen)):
                image = shard["images"][row]
                segments = detect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
                points = points_of_segments(segments, image.shape[1], image.shape[0], presume_camera=False)
                rows[chosen.index(shard["image_ids"][row])][source] = image, segments, points
    figures.save(pictures.overlays(rows), *args.out)


def _typical(real: shards.Shard) -> list[int]:
    """The image of each class whose share of unexplained lines is its class's median: neither best nor worst."""
    share = real["measures"][:, real.attributes["measures"].index("unexplained_share")]
    usable = np.isfinite(share) & (real["columns"] == 0)
    chosen = []
    for label in np.unique(real["labels"][usable]):
        own = np.flatnonzero(usable & (real["labels"] == label))
        chosen.append(int(real["image_ids"][own[np.argsort(share[own], kind="stable")[(len(own) - 1) // 2]]]))
    return chosen


if __name__ == "__main__":
    steps.run(main)
