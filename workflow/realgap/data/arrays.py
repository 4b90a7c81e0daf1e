"""Images and labels in a user's HDF5 file: nothing of another file, nothing that is not there, and rows one by one."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from realgap.store import files

MOST_ROWS = 100_000_000
MOST_CHUNK_BYTES = 1 << 28  # HDF5 unpacks a whole chunk for each row of it
_OWN_FILTERS = 3  # deflate, shuffle and a checksum are numbers 1 to 3; others need plugins
_MOST_PACKED = 2000  # deflate reaches 1032 to 1; what is not stored at all reads as zeros


def read(path: Path, part: str) -> tuple["Rows", np.ndarray, tuple[str, ...]] | None:
    """Images uint8 (n, h, w, 3), labels int64 (n,) and class names of a part of a file; None where it has no such part.

    Raises ValueError with one line that names the file for any other content; OSError where it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"dataset.root: must be an HDF5 file; got {path}")
    try:
        with h5py.File(path, "r", locking=False) as file:
            if part not in file:
                return None
            names = _names(path, file.attrs["class_names"])
            images, labels = (_own_array(path, file, part, name) for name in ("images", "labels"))
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or labels.shape != images.shape[:1]:
                got = f"{images.dtype} {images.shape} and {labels.shape} labels"
                raise _Odd(
                    f"{path}: {part}/images must be uint8 (n, h, w, 3) with a label each, got {files.brief(got)}"
                )
            if len(labels) > MOST_ROWS:
                raise _Odd(f"{path}: {part} must have at most {MOST_ROWS} images, got {len(labels)}")
            return Rows(path, f"{part}/images", len(labels)), _labels(path, part, labels, names), names
    except _Odd:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        if system := files.system_error(path, error):
            raise system from error
        raise ValueError(
            f"{path}: must hold {part}/images, {part}/labels and class_names ({files.brief(error)})"
        ) from error


class Rows(Sequence):
    """The rows of an array in a file, each read when it is asked for; the file is opened with the first."""

    def __init__(self, path: Path, name: str, count: int) -> None:
        self.path, self.name, self.count = path, name, count
        self._array: h5py.Dataset | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> np.ndarray:
        if not -self.count <= row < self.count:
            raise IndexError(row)
        try:
            if self._array is None:
                self._array = h5py.File(self.path, "r", locking=False)[self.name]
            return self._array[int(row) % self.count]
        except (OSError, RuntimeError, KeyError) as error:
            if system := files.system_error(self.path, error):
                raise system from error
            raise ValueError(
                f"{self.path}: {self.name} must be readable, row {row} is not ({files.brief(error)})"
            ) from error


class _Odd(ValueError):
    """What has been said already."""


def _own_array(path: Path, file: h5py.File, part: str, name: str) -> h5py.Dataset:
    where = f"{path}: {part}/{name}"
    for holder, key in ((file, part), (file.get(part), name)):
        if not isinstance(holder, h5py.Group) or key not in holder:
            raise _Odd(f"{path}: must hold {part}/{name}, has none")
        if not isinstance(holder.get(key, getlink=True), h5py.HardLink):
            raise _Odd(f"{where} is a link to elsewhere")
    data = file[part][name]
    if not isinstance(data, h5py.Dataset) or not data.shape:
        raise _Odd(f"{where} must be an array, is something else")
    filters = data.id.get_create_plist()
    foreign = any(filters.get_filter(i)[0] > _OWN_FILTERS for i in range(filters.get_nfilters()))
    if data.external or data.is_virtual or foreign:
        raise _Odd(f"{where} lives in other files or needs a filter plugin")
    if data.id.get_storage_size() * _MOST_PACKED < data.nbytes:
        raise _Odd(f"{where} is not all there")
    if data.chunks and np.prod(data.chunks, dtype=float) * data.dtype.itemsize > MOST_CHUNK_BYTES:
        raise _Odd(f"{where} must be in chunks of at most {MOST_CHUNK_BYTES >> 20} MiB, has chunks of {data.chunks}")
    return data


def _labels(path: Path, part: str, labels: h5py.Dataset, names: tuple[str, ...]) -> np.ndarray:
    must = f"{path}: {part}/labels must be integers from 0 to {len(names) - 1}"
    if not np.issubdtype(labels.dtype, np.integer):
        raise _Odd(f"{must}, got {files.brief(labels.dtype)}")
    values = labels[()]
    if len(values) and not 0 <= values.min() <= values.max() < len(names):
        ends = sorted({int(values.min()), int(values.max())})
        raise _Odd(f"{must}, got {' to '.join(map(str, ends))}")
    return values.astype(np.int64)


def _names(path: Path, given: object) -> tuple[str, ...]:
    listed = given.tolist() if isinstance(given, np.ndarray) else given
    texts = [one.decode() if isinstance(one, bytes) else one for one in listed] if isinstance(listed, list) else []
    if not texts or not all(isinstance(one, str) for one in texts) or len(set(texts)) < len(texts):
        raise _Odd(f"{path}: class_names must be a list of names, each of them once, got {files.brief(given)}")
    return tuple(texts)
