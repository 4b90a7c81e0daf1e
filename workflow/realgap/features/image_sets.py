"""Sets of images with their features, row by row, as analyses compare them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from realgap.data.images import resampled
from realgap.data.training_sets import equal_rows
from realgap.store import naming, shards


@dataclass(frozen=True)
class ImageSet:
    """n images; row i of every array is of the same one."""

    images: np.ndarray  # (n, h, w, 3) uint8
    features: np.ndarray  # (n, d) float32
    labels: np.ndarray  # (n,) int64, the data set's class numbers
    image_ids: np.ndarray  # (n,) int64
    variants: np.ndarray  # (n,) int32

    def rows(self, chosen: np.ndarray) -> "ImageSet":
        return ImageSet(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def cut(self, per_class: int, seed: int) -> "ImageSet":
        """`per_class` images of each class, by equal_rows."""
        return self.rows(equal_rows(self.labels, self.variants, self.image_ids, per_class, seed))


def load(features: str | Path, paths: Sequence[str | Path], resample: bool = False) -> ImageSet:
    """The images of shards and the features made of them, in that order; resample: as the control is made.

    ValueError if the features are of other images.
    """
    described = shards.read(features, "features")
    parts = shards.read_all(paths, "images")
    naming.joint({features: described.attributes, paths[0]: parts[0].attributes})
    images, image_ids = (np.concatenate([part[name] for part in parts]) for name in ("images", "image_ids"))
    if not np.array_equal(image_ids, described["image_ids"]):
        raise ValueError(
            f"{features}: must be of the images in {paths[0]} and so on; delete it and run snakemake again"
        )
    return ImageSet(resampled(images) if resample else images, **described.arrays)


def load_each(sources: Sequence[str], features: Sequence[str], paths: Sequence[str]) -> dict[str, ImageSet]:
    """`load` for each source; paths: all shards of the first source, then of the next, equally many."""
    each = zip(features, shards.by_source(sources, paths).items(), strict=True)
    return {source: load(described, own, source == "resampled") for described, (source, own) in each}
