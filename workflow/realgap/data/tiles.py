"""Data sets of tiles: pictures that ship with scikit-image, cut into squares that do not overlap.

The lower part of each picture is tested on, so no tile of it touches more than one row of training tiles. Tiles of one
picture are more alike than pictures are: what is found holds for these pictures.
"""

from pathlib import Path

import numpy as np

from realgap.data import catalog
from realgap.data.splits import Dataset


def textures(root: Path | None, split: str) -> Dataset:
    """768 grey tiles of 32 px: a brick wall, grass and gravel (CC0; scikit-image's brick, grass and gravel)."""
    from skimage import data

    pictures = [np.repeat(load()[..., None], 3, axis=-1) for load in (data.brick, data.grass, data.gravel)]
    rows = [_rows(picture, 32) for picture in pictures]
    labels = [np.full(parts.shape[:2], label) for label, parts in enumerate(rows)]
    return _part(np.concatenate(rows, axis=1), np.concatenate(labels, axis=1), 12, split, catalog.TEXTURES)


def histology(root: Path | None, split: str) -> Dataset:
    """441 tiles of 24 px of stained glands of a colon, in thirds by their stain (scikit-image's immunohistochemistry).

    The stain is DAB, as colour deconvolution finds it (Ruifrok and Johnston 2001), in the mean of a tile.
    """
    from skimage import color, data

    picture = data.immunohistochemistry()
    rows = _rows(picture, 24)
    stain = _rows(color.rgb2hed(picture)[..., 2:], 24).mean(axis=(2, 3, 4))
    labels = np.digitize(stain, np.quantile(stain, [1 / 3, 2 / 3]))
    return _part(rows, labels, 15, split, catalog.HISTOLOGY)


def _rows(picture: np.ndarray, side: int) -> np.ndarray:
    """(h, w, c) -> (rows, columns, side, side, c); what is over at the right and below is left out."""
    rows, columns = (n // side for n in picture.shape[:2])
    cut = picture[: rows * side, : columns * side]
    return cut.reshape(rows, side, columns, side, -1).swapaxes(1, 2)


def _part(rows: np.ndarray, labels: np.ndarray, trained: int, split: str, names: tuple[str, ...]) -> Dataset:
    """The upper `trained` rows of tiles, or those below."""
    first, stop = (0, trained) if split == "train" else (trained, len(rows))
    images = rows[first:stop].reshape(-1, *rows.shape[2:])
    ids = np.arange(first * rows.shape[1], stop * rows.shape[1])
    return Dataset(np.ascontiguousarray(images), labels[first:stop].ravel().astype(np.int64), ids, names)
