"""Rendered rooms, streets and boxes as a data set, sound or with a known defect: its images are drawn, not read.

Apart from the other data sets, so that editing the renderer runs again what is rendered and nothing else.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from realgap.data import catalog
from realgap.data.splits import Dataset
from realgap.rendering.scenes import render
from realgap.streams import stream


def load(root: Path | None, split: str) -> Dataset:
    """1,000 rendered rooms, streets and boxes a class, and 200 to test on, of 192 px (realgap.rendering.scenes)."""
    count, first = (1_000, 0) if split == "train" else (200, 1_000)
    numbers = first + np.arange(count)
    ids = np.concatenate([Scenes.EVERY * (label + 1) + numbers for label in range(len(catalog.RENDERED))])
    return Dataset(Scenes(ids), np.repeat(np.arange(len(catalog.RENDERED)), count), ids, catalog.RENDERED)


class Scenes(Sequence):
    """Scenes, each drawn when it is asked for, with a defect or without: uint8 (192, 192, 3)."""

    EVERY = 10_000  # an id is this times (label + 1) plus the scene's number; ids below are no scenes' seeds
    NEW = 100_000  # the id of a new scene made for a real one is this times (variant + 1) plus the real one's
    SIZE_PX = 192

    def __init__(self, image_ids: np.ndarray, defects: Sequence[str | None] | str | None = None) -> None:
        """defects: of each scene, or one of all."""
        self.image_ids = image_ids
        self.defects = [defects] * len(image_ids) if defects is None or isinstance(defects, str) else defects

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, row: int) -> np.ndarray:
        return render(*self.scene(self.image_ids[row]), self.SIZE_PX, self.SIZE_PX, defect=self.defects[row]).image

    @classmethod
    def scene(cls, image_id: int) -> tuple[str, int]:
        """Kind and seed of a scene; its id is its seed, so that none is one that constants were chosen on."""
        return catalog.RENDERED[int(image_id) % cls.NEW // cls.EVERY - 1], int(image_id)

    @classmethod
    def new(cls, image_ids: np.ndarray, variants: np.ndarray) -> np.ndarray:
        """The ids of the new scenes that are made for real ones, int64 (n,); each of the class of its real one."""
        return cls.NEW * (variants.astype(np.int64) + 1) + image_ids


def drawn_defects(
    seed: int, scene_ids: Iterable[int], defects: Sequence[str], defective_share: float
) -> list[str | None]:
    """The defect of each scene, None of a sound one: a share of them have one in the mean, each as often as another."""
    streams = (stream(seed, "defect", scene_id) for scene_id in scene_ids)
    return [defects[rng.integers(len(defects))] if rng.random() < defective_share else None for rng in streams]
