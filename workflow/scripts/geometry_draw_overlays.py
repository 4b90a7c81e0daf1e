"""Draw segments, vanishing points and horizon over real images, changed ones, and what sources made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from realgap.analyses.geometry import figures as drawing
from realgap.analyses.geometry import measures
from realgap.geometry.segments import detector
from realgap.geometry.vanishing import points_of_segments
from realgap.report import style
from realgap.run import steps
from realgap.store import shards

MOST_SCENES = 4


@dataclass(frozen=True)
class Options:
    sources: list[str]  # in the order of --shards: all shards of the first source (real), then of the next
    detector: str  # "lsd", or what the learned detector is by its content
    controls: dict[str, float]  # as in measure_geometry
    seed: int


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    args, options = steps.parse(__doc__, Options, measured={}, shards={"nargs": "+"}, detector={}, out=pair)
    chosen, detect = _typical(shards.read(args.measured, "geometry"))[:MOST_SCENES], detector(args.detector)
    scenes: list[dict] = [{} for _ in chosen]
    for source, paths in shards.by_source(options.sources, args.shards).items():
        for shard in (shards.read(path, "images") for path in paths):
            for row in np.flatnonzero((shard["variants"] == 0) & np.isin(shard["image_ids"], chosen)):
                image_id = int(shard["image_ids"][row])
                images = {source: shard["images"][row]}
                if source == "real":
                    changed = measures.controlled(images["real"], image_id, options.seed, options.controls)
                    images |= dict(zip(measures.CONTROLS, changed, strict=True))
                scenes[chosen.index(image_id)] |= {name: _seen(image, detect) for name, image in images.items()}
    style.save(drawing.overlays(scenes), *args.out)


def _seen(image: np.ndarray, detect: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray, Mapping[str, float]]:
    """An image (H, W, 3) with what is drawn over it: segments (N, 4) px, points (M, 3), and its measures of lines."""
    segments = detect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    size = image.shape[1], image.shape[0]
    measured = dict(zip(measures.LINES, measures.lines(segments, *size), strict=True))
    return image, segments, points_of_segments(segments, *size, presume_camera=False), measured


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
