"""A file exists whole or not at all: written beside its place, flushed to disk, renamed."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; it becomes `path` when the block ends without an error.

    The temporary name keeps the suffix, because libraries choose formats by it, and starts with a dot,
    so that no pattern for results matches it. Raises OSError naming `path` if it can't be written.
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
        raise OSError(error.errno, f"{path}: could not be written: {error.strerror or error}") from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


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
