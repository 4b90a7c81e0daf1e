"""How many training images the classes of a published data set have, counted where it lies (catalog.COUNTED)."""

from collections.abc import Iterable
from pathlib import Path

from realgap.data import folders, imagenet
from realgap.store import digests

FOLDERS = {"imagenet": {name: f"train/{wnid}" for wnid, name in imagenet.CLASSES.items()}}


def training_images(name: str, root: str | Path, classes: Iterable[str], state: Path) -> dict[str, int]:
    """class -> pictures in its folder below root; a folder is listed again when its time has changed.

    state: a file in which numbers are remembered. ValueError where a folder is missing.
    """
    with digests.remembered(state) as of:
        return {one: of(_there(Path(root) / FOLDERS[name][one]), _count) for one in classes}


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"dataset.root: must hold the training images of each class; got none in {folder}")
    return folder


def _count(folder: str | Path) -> int:
    return len(folders.pictures(Path(folder)))
