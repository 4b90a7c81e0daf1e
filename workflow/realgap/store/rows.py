"""Rows of arrays that stay on disk: read when they are asked for, so memory holds what is used and no more."""

import bisect
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

OPEN = 128  # files that are kept open
BLOCK_BYTES = 16_000_000  # of `blocks`


class Packed(NamedTuple):
    """Rows that lie packed in one piece of a file."""

    starts: np.ndarray  # of each row, and the end of the last, bytes, int64 (rows + 1,)
    unpack: Callable[[bytes, tuple[int, ...]], np.ndarray]  # from a row's bytes and shape to the row


class Part(NamedTuple):
    """Where the rows of one file lie: chunk after chunk, each of so many rows in one piece."""

    path: str
    identity: tuple[int, int, int]  # of the file that was opened: one that has taken its place is another
    offsets: tuple[int, ...]  # of the chunks, bytes
    of_chunk: int  # rows
    rows: int
    packed: Packed | None = None


class Rows:
    """An array (n, ...) whose rows lie in files, one after another. Indexed by a slice or by whole numbers it is read.

    Several threads may read. Files must not change: they are checked when they are opened, not again.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        shape: tuple[int, ...],
        dtype: np.dtype,
        first: int,
        stop: int,
        files: "_Files | None" = None,
    ) -> None:
        self._parts, self._shape, self.dtype = tuple(parts), shape, np.dtype(dtype)
        self._first, self._stop = first, stop
        self._ends = tuple(itertools.accumulate(part.rows for part in parts))
        self._files = files or _Files()

    @classmethod
    def of(cls, path: str | Path, dataset: h5py.Dataset) -> "Rows":
        """Those of an open file's dataset without filters, all of it written."""
        n, shape = dataset.shape[0], dataset.shape[1:]
        if dataset.chunks is None:
            offsets, of_chunk = (dataset.id.get_offset() or 0,), max(n, 1)
        else:
            # chunks are stored in no order that is promised
            found = [dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks())]
            offsets = tuple(one.byte_offset for one in sorted(found, key=lambda one: one.chunk_offset))
            of_chunk = dataset.chunks[0]
        part = Part(str(path), _identity(os.stat(path)), offsets, of_chunk, n)
        return cls([part], shape, dataset.dtype, 0, n)

    def unpacked(self, packed: Packed, shape: tuple[int, ...]) -> "Rows":
        """What these bytes (n,) of one file are when they are unpacked, uint8 (n, *shape)."""
        (own,) = self._parts
        rows = len(packed.starts) - 1
        part = own._replace(of_chunk=max(rows, 1), rows=rows, packed=packed)
        return Rows([part], shape, np.dtype(np.uint8), 0, rows, self._files)

    @classmethod
    def joined(cls, several: Sequence["Rows"]) -> "Rows":
        """All of several, whole ones of one shape."""
        if len({(one._shape, one.dtype) for one in several}) > 1:
            raise ValueError(f"rows: must be of one shape; got {sorted({one._shape for one in several})}")
        parts = [part for one in several for part in one._parts]
        return cls(parts, several[0]._shape, several[0].dtype, 0, sum(map(len, several)))

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), *self._shape

    @property
    def ndim(self) -> int:
        return 1 + len(self._shape)

    @property
    def nbytes(self) -> int:
        return len(self) * self._row_bytes

    def __len__(self) -> int:
        return self._stop - self._first

    def between(self, first: int, stop: int) -> "Rows":
        """Some of them, still on disk."""
        return Rows(self._parts, self._shape, self.dtype, self._first + first, self._first + stop, self._files)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> np.ndarray:
        if isinstance(rows, slice) and rows.indices(len(self))[2] == 1:
            first, stop, _ = rows.indices(len(self))
            return self._found(max(0, stop - first), [(0, (first, max(0, stop - first)))])
        chosen = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows, np.int64)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(self):
            raise IndexError(f"rows: must be below {len(self)}; got {chosen.min()} to {chosen.max()}")
        return self._found(len(chosen), _runs(chosen))

    def _found(self, n: int, runs: Iterable[tuple[int, tuple[int, int]]]) -> np.ndarray:
        """n rows, read run by run."""
        found = np.empty((n, *self._shape), self.dtype)
        view = memoryview(found.reshape(-1).view(np.uint8)) if found.size else memoryview(b"")
        for at, (row, count) in runs:
            self._read(row + self._first, count, view[at * self._row_bytes : (at + count) * self._row_bytes])
        return found

    def blocks(self) -> Iterator[np.ndarray]:
        """All of them, some at a time."""
        count = max(1, BLOCK_BYTES // max(1, self._row_bytes))
        return (self[first : first + count] for first in range(0, len(self), count))

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self._shape, dtype=np.int64)) * self.dtype.itemsize

    def _read(self, row: int, count: int, into: memoryview) -> None:
        """So many rows from this one on, which may lie in several chunks and files."""
        while count:
            number = bisect.bisect_right(self._ends, row)
            part = self._parts[number]
            chunk, within = divmod(row - (self._ends[number] - part.rows), part.of_chunk)
            here = min(count, part.of_chunk - within, self._ends[number] - row)
            length = here * self._row_bytes
            if part.packed:
                self._unpack(part, part.packed, within, here, into)
            else:
                self._files.read(part, part.offsets[chunk] + within * self._row_bytes, into[:length])
            row, count, into = row + here, count - here, into[length:]

    def _unpack(self, part: Part, packed: Packed, row: int, count: int, into: memoryview) -> None:
        """So many rows of one file, unpacked."""
        starts = packed.starts[row : row + count + 1].tolist()
        content = bytearray(starts[-1] - starts[0])
        self._files.read(part, part.offsets[0] + starts[0], memoryview(content))
        whole = np.frombuffer(into, np.uint8, count * self._row_bytes).reshape(count, *self._shape)
        for one, first, stop in zip(whole, starts, starts[1:], strict=False):
            one[...] = packed.unpack(bytes(content[first - starts[0] : stop - starts[0]]), self._shape)


class _Files:
    """Open files, the ones used last; more than a process may open can be read. They close with the last that reads."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, part: Part, offset: int, into: memoryview) -> None:
        """Fill `into` from a part's file. OSError where it is away or is not as it was."""
        with self._lock:
            descriptor = self._open.pop(part.path, None)
            if descriptor is None:
                descriptor = os.open(part.path, os.O_RDONLY)
                if _identity(os.fstat(descriptor)) != part.identity:
                    os.close(descriptor)
                    raise OSError(f"{part.path}: must not change while it is read; it has been written anew")
            self._open[part.path] = descriptor
            if len(self._open) > OPEN:
                os.close(self._open.popitem(last=False)[1])
            while into:
                got = os.preadv(descriptor, [into], offset)
                if not got:
                    raise OSError(f"{part.path}: must not change while it is read; it has become shorter")
                into, offset = into[got:], offset + got

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _runs(rows: np.ndarray) -> Iterator[tuple[int, tuple[int, int]]]:
    """(place, (row, count)) of the pieces of a list of rows in which each is the next of the one before."""
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    for first, stop in itertools.pairwise([*starts, len(rows)]):
        yield int(first), (int(rows[first]), int(stop - first))
