"""A file exists whole or not at all: written beside its place, flushed to disk, renamed."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a used-up quota, a limit on a file's size


@contextlib.contextmanager
def whole(path: str | Path, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; it becomes `path` when the block ends without an error.

    The temporary name keeps the suffix, because libraries choose formats by it, and starts with a dot,
    so that no pattern for results matches it. Raises OSError naming `path` if it can't be written, and
    what it takes (`size` in bytes, where it is known) if there is no room for it.
    """
    path = Path(path)
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".partial{path.suffix}", dir=path.parent)
        os.close(handle)
        beside = Path(name)
        yield beside
        with open(beside, "rb") as f:
            os.fsync(f.fileno())
        beside.chmod(0o666 & ~_umask())  # mkstemp makes private files; results are shared in a group
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        room = _room(path.parent, size) if error.errno in NO_ROOM else ""
        raise OSError(error.errno, f"{path}: could not be written: {error.strerror or error}{room}") from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def write(path: str | Path, content: bytes | memoryview) -> None:
    """Write `content` to `path`, whole or not at all.

    For formats whose libraries lose an error on the way to the disk: HDF5 ends without one when closing a
    file on a full disk fails, safetensors raises one that is no OSError.
    """
    with whole(path, len(content)) as beside:
        beside.write_bytes(content)


def make_again() -> str:
    """What to do about a damaged file: the end of every message about one."""
    return "delete it and run snakemake again: just this file is made again"


def system_error(path: str | Path, error: Exception) -> OSError | None:
    """What the system said behind the error of a library that reads `path`; None where the file's content is at fault.

    A file that could not be read or locked may be whole: nothing must be deleted for it.
    """
    found = re.search(r"\b(?:errno =|os error) (\d+)", str(error))
    code = (error.errno if isinstance(error, OSError) else None) or (int(found[1]) if found else None)
    if not code:
        return None
    return OSError(code, f"{path}: could not be read: {os.strerror(code)} (errno {code}); it may be whole")


def brief(text: object) -> str:
    """What a foreign file says, short enough for a line."""
    line = " ".join(str(text)[:400].split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _room(folder: Path, size: int | None) -> str:
    takes = "" if size is None else f"it takes {size / 1e6:.3f} MB, "
    free = shutil.disk_usage(folder).free / 1e6
    return f"; {takes}{free:.3f} MB are free there; make room and run snakemake again, finished files are kept"


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
