"""Folders of a data set by class, each listed when its class is asked for: a shard of one class looks at no other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import loaders
from realgap.data.splits import Dataset


def of(part: Path, classes: Mapping[str, str]) -> Dataset:
    """The images below a folder; classes: folder -> name, in the order of their labels."""
    return _Listed(loaders.ImageFiles([]), _Growing(), _Growing(), tuple(classes.values()), part, tuple(classes))


class _Growing:
    """An int64 array (n,) that grows."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.array(self.values, np.int64)[rows]


@dataclass(frozen=True)
class _Listed(Dataset):
    part: Path
    folders: tuple[str, ...]

    def rows_of(self, class_name: str) -> np.ndarray:
        if class_name not in self.class_names:
            return super().rows_of(class_name)  # which refuses
        label = self.class_names.index(class_name)
        if label not in self.labels.values:
            listed = loaders._of_folders(self.part, [self.folders[label]], (class_name,))
            self.images.paths.extend(listed.images.paths)
            self.labels.values.extend([label] * len(listed.labels))
            self.image_ids.values.extend(listed.image_ids.tolist())
        return np.flatnonzero(self.labels[:] == label)
