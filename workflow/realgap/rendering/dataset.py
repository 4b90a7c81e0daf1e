"""Rendered rooms, streets and boxes as a data set, sound or with a known defect: its images are drawn, not read.

Apart from the other data sets, so that editing the renderer runs again what is rendered and nothing else.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realgap.data import catalog
from realgap.data.splits import Dataset
from realgap.rendering.scenes import render


def load(root: Path | None, split: str) -> Dataset:
    """1,000 rendered rooms, streets and boxes a class, and 200 to test on, of 192 px (realgap.rendering.scenes)."""
    count, first = (1_000, 0) if split == "train" else (200, 1_000)
    numbers = first + np.arange(count)
    ids = np.concatenate([Scenes.EVERY * (label + 1) + numbers for label in range(len(catalog.RENDERED))])
    return Dataset(Scenes(ids), np.repeat(np.arange(len(catalog.RENDERED)), count), ids, catalog.RENDERED)


class Scenes(Sequence):
    """Scenes, each drawn when it is asked for, with a defect or without: uint8 (192, 192, 3)."""

    EVERY = 10_000  # an id is this times (label + 1) plus the scene's number; ids below are no scenes' seeds
    SIZE_PX = 192

    def __init__(self, image_ids: np.ndarray, defect: str | None = None) -> None:
        self.image_ids, self.defect = image_ids, defect

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, row: int) -> np.ndarray:
        return render(*self.scene(self.image_ids[row]), self.SIZE_PX, self.SIZE_PX, defect=self.defect).image

    @classmethod
    def scene(cls, image_id: int) -> tuple[str, int]:
        """Kind and seed of a scene; its id is its seed, so that none is one that constants were chosen on."""
        return catalog.RENDERED[int(image_id) // cls.EVERY - 1], int(image_id)
