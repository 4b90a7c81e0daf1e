"""Images and labels in a user's HDF5 file: nothing of another file, nothing that is not there, and rows one by one."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from realgap.store import files

MOST_ROWS = 100_000_000
MOST_CHUNK_BYTES = 1 << 28  # HDF5 unpacks a whole chunk for each row of it
MOST_ROW_BYTES = 1 << 30  # a row is held whole: an image of 18,900 px square
_OWN_FILTERS = (1, 2, 3, 32000)  # deflate, shuffle, a checksum and h5py's LZF; others need plugins
_MOST_PACKED = 2000  # deflate reaches 1032 to 1; what is not stored at all reads as zeros


def read(path: Path, part: str) -> tuple["Rows", np.ndarray, tuple[str, ...]] | None:
    """Images, labels int64 (n,) and class names of a part of a file; None where it has no such part.

    Images are (n, h, w), (n, h, w, 1) or (n, h, w, 3) of uint8, uint16 or floats. Labels are integers or texts, (n,) or
    (n, 1). Where they are integers the attribute class_names of the file says what they mean, else their numbers do.
    Raises ValueError with one line that says what of the file is otherwise; OSError where it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"dataset.root: must be an HDF5 file; got {path}")
    try:
        with h5py.File(path, "r", locking=False) as file:
            if part not in file:
                return None
            given = file.attrs.get("class_names")
            names = None if given is None else _names(path, given)
            images, labels = (_own_array(path, file, part, name) for name in ("images", "labels"))
            _check_images(path, part, images)
            values, names = _labels(path, part, labels, names, len(images))
            return Rows(path, f"{part}/images", len(images)), values, names
    except _Odd:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        if system := files.system_error(path, error):
            raise system from error
        raise ValueError(f"{path}: must hold {part}/images and {part}/labels ({files.brief(error)})") from error


def _check_images(path: Path, part: str, images: h5py.Dataset) -> None:
    number = images.dtype in (np.uint8, np.uint16) or np.issubdtype(images.dtype, np.floating)
    if not number or images.ndim not in (3, 4) or images.ndim == 4 and images.shape[3] not in (1, 3):
        got = f"{images.dtype} {images.shape}"
        hint = ", channels first" if images.ndim == 4 and images.shape[1] in (1, 3) else ""
        raise _Odd(
            f"{path}: {part}/images must be uint8, uint16 or floats, (n, h, w), (n, h, w, 1) or (n, h, w, 3), got "
            f"{files.brief(got)}{hint}"
        )
    if len(images) > MOST_ROWS:
        raise _Odd(f"{path}: {part} must have at most {MOST_ROWS} images, got {len(images)}")


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
    foreign = any(filters.get_filter(i)[0] not in _OWN_FILTERS for i in range(filters.get_nfilters()))
    if data.external or data.is_virtual or foreign:
        raise _Odd(f"{where} lives in other files or needs a filter plugin")
    if data.id.get_storage_size() * _MOST_PACKED < data.nbytes:
        raise _Odd(f"{where} is not all there")
    if data.chunks and np.prod(data.chunks, dtype=float) * data.dtype.itemsize > MOST_CHUNK_BYTES:
        raise _Odd(f"{where} must be in chunks of at most {MOST_CHUNK_BYTES >> 20} MiB, has chunks of {data.chunks}")
    if np.prod(data.shape[1:], dtype=float) * data.dtype.itemsize > MOST_ROW_BYTES:
        raise _Odd(f"{where} must have rows of at most {MOST_ROW_BYTES >> 20} MiB, has rows {data.shape[1:]}")
    return data


def _labels(
    path: Path, part: str, labels: h5py.Dataset, names: tuple[str, ...] | None, count: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The number of each row, and the names of the numbers."""
    where = f"{path}: {part}/labels"
    if labels.shape not in ((count,), (count, 1)):
        raise _Odd(f"{where} must be one a row, ({count},) or ({count}, 1), got {labels.shape}")
    if h5py.check_string_dtype(labels.dtype) or labels.dtype.kind == "S":
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in labels[()].reshape(-1)]
        known = names or tuple(sorted(set(texts)))
        if strange := [one for one in texts if one not in set(known)]:
            raise _Odd(f"{where} must be among class_names, got {files.brief(strange[0])}")
        number_of = {name: number for number, name in enumerate(known)}
        return np.array([number_of[one] for one in texts], np.int64), known
    if not np.issubdtype(labels.dtype, np.integer):
        raise _Odd(f"{where} must be integers or texts, got {files.brief(labels.dtype)}")
    values = labels[()].reshape(-1).astype(np.int64)
    names = names or tuple(str(number) for number in range(int(values.max(initial=0)) + 1))
    if len(values) and not 0 <= values.min() <= values.max() < len(names):
        ends = sorted({int(values.min()), int(values.max())})
        raise _Odd(f"{where} must be integers from 0 to {len(names) - 1}, got {' to '.join(map(str, ends))}")
    return values, names


def _names(path: Path, given: object) -> tuple[str, ...]:
    listed = given.tolist() if isinstance(given, np.ndarray) else given
    texts = [one.decode() if isinstance(one, bytes) else one for one in listed] if isinstance(listed, list) else []
    if not texts or not all(isinstance(one, str) for one in texts) or len(set(texts)) < len(texts):
        raise _Odd(f"{path}: class_names must be a list of names, each of them once, got {files.brief(given)}")
    return tuple(texts)
