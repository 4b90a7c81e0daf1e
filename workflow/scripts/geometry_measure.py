"""Measure the geometry of a source's images; of real ones also under harmless and known changes."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from realgap.analyses.geometry import measures
from realgap.data import training_sets
from realgap.geometry.segments import detector
from realgap.run import steps
from realgap.store import naming, provenance, shards


@dataclass(frozen=True)
class Options:
    source: str
    images_per_class: int
    detector: str  # "lsd", or what the learned detector is by its content
    controls: dict[str, float]  # resample, blur_px, warp; looked at for real images only
    seed: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, shards={"nargs": "+"}, detector={}, out={})
    parts = shards.read_all(args.shards, "images")
    chosen = list(_chosen(parts, options.images_per_class, options.seed))
    size = max(chosen[0][0].shape[:2])
    columns = [options.source, *(measures.CONTROLS if options.source == "real" else ())]
    detect, rows = detector(args.detector), []
    for image, label, image_id, variant in steps.progress(chosen, len(chosen), "measuring"):
        pictures = [image]
        if options.source == "real":
            pictures += measures.controlled(image, image_id, options.seed, options.controls)
        keys = {"labels": label, "image_ids": image_id, "variants": variant}
        rows += [{**measures.rows(one, detect), **keys, "columns": n} for n, one in enumerate(pictures)]
    dtypes = {name: dtype for name, (dtype, _) in shards.LAYOUT["geometry"].items()}
    arrays = {name: np.array([row[name] for row in rows], dtype) for name, dtype in dtypes.items()}
    made = {"step": "measure_geometry", "source": options.source, "options": asdict(options)}
    made |= {"columns": columns, "measures": list(measures.names(size)), "size_px": size}
    made |= naming.carried(*(part.attributes for part in parts))
    shards.write(args.out, "geometry", arrays, {**made, "versions": provenance.versions("opencv-python-headless")})


def _chosen(parts: list[shards.Shard], per_class: int, seed: int) -> Iterator[tuple]:
    """(image, label, image_id, variant) of `per_class` images of each class or as many as each has, first variants."""
    names = ("images", "labels", "image_ids", "variants")
    images, labels, image_ids, variants = (np.concatenate([part[name] for part in parts]) for name in names)
    first = np.flatnonzero(variants == 0)
    per_class = min(per_class, training_sets.smallest_class([labels[first]]))
    for row in first[training_sets.equal_rows(labels[first], variants[first], image_ids[first], per_class, seed)]:
        yield images[row], int(labels[row]), int(image_ids[row]), 0


if __name__ == "__main__":
    steps.run(main)
