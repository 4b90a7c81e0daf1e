"""The data sets by name: torchvision's, scikit-learn's digits, and folders or HDF5 files of a user's own.

Every loader takes (root, split) and returns a Dataset, or None when the data set has no such part of its
own. Image ids number the rows of the original files, test rows after the training rows; an image in a
folder is named by a hash of its path, so that adding images renames none.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from realgap.data import arrays, catalog, folders, reading, tiles
from realgap.data import images as imaging
from realgap.data.splits import Dataset


def digits(root: Path | None, split: str) -> Dataset | None:
    """scikit-learn's digits: 1,797 handwritten digits of 8x8 pixels, 17 grey levels (UCI, Alpaydin & Kaynak 1998)."""
    from sklearn.datasets import load_digits

    if split == "test":
        return None
    loaded = load_digits()
    grey = imaging.from_unit(loaded.images / 16)
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    return Dataset(rgb, loaded.target.astype(np.int64), np.arange(len(rgb)), catalog.DIGITS)


def typeset(root: Path | None, split: str) -> Dataset:
    """1,000 typeset digits of 8x8 pixels in sixteen fonts, drawn when asked for: of the kind that mini-sd-digits knows.

    Public images that look like handwritten digits: what a release is spanned or tuned with (workflow/docs/privacy.md).
    """
    from realgap.pretraining import typeset as drawing

    seed = 0 if split == "train" else 1
    images, labels = drawing.render(500, 8, seed)
    return Dataset(images, labels, 500 * seed + np.arange(500), catalog.DIGITS)


def cifar10(root: Path, split: str) -> Dataset:
    """60,000 photographs of 32 px in 10 classes (Krizhevsky 2009); root holds cifar-10-batches-py/."""
    return _cifar("CIFAR10", root, split)


def cifar100(root: Path, split: str) -> Dataset:
    """60,000 photographs of 32 px in 100 classes (Krizhevsky 2009); root holds cifar-100-python/."""
    return _cifar("CIFAR100", root, split)


def stl10(root: Path, split: str) -> Dataset:
    """13,000 photographs of 96 px in 10 classes (Coates et al. 2011); root holds stl10_binary/."""
    from torchvision import datasets

    loaded = _checked(root, lambda: datasets.STL10(root, split=split))
    images = np.ascontiguousarray(loaded.data.transpose(0, 2, 3, 1))
    first = 0 if split == "train" else 5_000
    return Dataset(images, loaded.labels.astype(np.int64), first + np.arange(len(images)), tuple(loaded.classes))


def imagenette(root: Path, split: str) -> Dataset:
    """13,394 photographs in 10 classes of ImageNet (fastai); root holds imagenette2-320/{train,val}/<wnid>/."""
    part = root / "imagenette2-320" / {"train": "train", "test": "val"}[split]
    return _of_folders(part, list(catalog.IMAGENETTE), catalog.CLASS_NAMES["imagenette"])


def imagenet_1k(root: Path, split: str) -> Dataset:
    """1,331,167 photographs in 1,000 classes (Russakovsky et al. 2015); root holds {train,val}/<wnid>/."""
    part = root / {"train": "train", "test": "val"}[split]
    if not part.is_dir():
        raise ValueError(f"dataset.root: {root} must hold {part.name}/<wnid>/; it does not")
    from realgap.data import by_class  # what stands at its top counts for no other data set

    return by_class.of(part, catalog.IMAGENET)


def image_folder(root: Path, split: str) -> Dataset | None:
    """<root>/{train,test or val}/<class>/<image>, or <root>/<class>/<image> without a test part of its own.

    As it is, for pre-training; a study takes the inventory of one (realgap.data.inventory).
    """
    part = folders.part(root, split)
    if part is None:
        return None
    names = folders.class_names(part)
    return _of_folders(part, names, tuple(names))


def hdf5(root: Path, split: str) -> Dataset | None:
    """A file with train/images uint8 (n, h, w, 3), train/labels int (n,), the same under test/ if it has one.

    The attribute class_names of the file gives the labels' names. Links to other files and filters that
    need plugins are refused. As it is, for pre-training; a study takes the inventory of one (realgap.data.inventory).
    """
    if (train := arrays.read(root, "train")) is None:
        raise ValueError(f"{root}: must hold train/images, train/labels and class_names; it has no train")
    if (own := train if split == "train" else arrays.read(root, split)) is None:
        return None
    images, labels, names = own
    first = 0 if split == "train" else len(train[1])
    return Dataset(_Shown(images, f"{root}: {split}/images"), labels, first + np.arange(len(labels)), names)


def read_by(dataset: Dataset, **how: Any) -> Dataset:
    """The data set with its files, where it is one of files, read as the keywords of reading.read say."""
    files = dataset.images
    return replace(dataset, images=ImageFiles(files.paths, how)) if isinstance(files, ImageFiles) else dataset


LOADERS: dict[str, Callable[[Path, str], Dataset | None]] = {
    "digits": digits,
    "typeset": typeset,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "stl10": stl10,
    "imagenette": imagenette,
    "imagenet": imagenet_1k,
    "textures": tiles.textures,
    "histology": tiles.histology,
    "image_folder": image_folder,
    "hdf5": hdf5,
}


class ImageFiles(Sequence):
    """The images of files, each decoded when it is asked for: uint8 (h, w, 3). how: keywords of reading.read."""

    def __init__(self, paths: Sequence[Path], how: Mapping[str, Any] | None = None) -> None:
        self.paths, self.how = paths, dict(how or {})

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> np.ndarray:
        return reading.read(self.paths[row], **self.how)


class _Shown(Sequence):
    """Rows of an array as images uint8 (h, w, 3), each when it is asked for."""

    def __init__(self, rows: Sequence[np.ndarray], name: str) -> None:
        self.rows, self.name = rows, name

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> np.ndarray:
        return reading.of_array(self.rows[row], f"{self.name}, row {row}")


def _cifar(kind: str, root: Path, split: str) -> Dataset:
    from torchvision import datasets

    # compares the files with their known md5 before it unpickles them
    loaded = _checked(root, lambda: getattr(datasets, kind)(root, train=split == "train"))
    first = 0 if split == "train" else 50_000
    labels = np.array(loaded.targets, np.int64)
    return Dataset(loaded.data, labels, first + np.arange(len(labels)), tuple(loaded.classes))


def _checked(root: Path, load: Callable[[], object]) -> object:
    """What torchvision loads; its error for missing or damaged files as one line."""
    try:
        return load()
    except (RuntimeError, OSError) as error:
        raise ValueError(f"dataset.root: {root} does not hold the data set, or a damaged copy ({error})") from error


def _of_folders(part: Path, of_classes: Sequence[str], names: tuple[str, ...]) -> Dataset:
    if missing := [folder for folder in of_classes if not (part / folder).is_dir()]:
        raise ValueError(f"dataset.root: {part} must hold the folder {missing[0]}; it does not")
    paths, labels = [], []
    for label, folder in enumerate(of_classes):
        inside = folders.pictures(part / folder)
        paths += inside
        labels += [label] * len(inside)
    ids = [_path_id(path.relative_to(part.parent)) for path in paths]
    return Dataset(ImageFiles(paths), np.array(labels, np.int64), np.array(ids, np.int64), names)


def _path_id(path: Path) -> int:
    """63 bits of the SHA-256 of a path: two of a million images share one with a chance of 1 in 10 million."""
    return int.from_bytes(hashlib.sha256(path.as_posix().encode()).digest()[:8], "big") >> 1
