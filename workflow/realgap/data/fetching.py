"""Fetch files from the internet once: taken up where it broke off, compared with a checksum, whole or not at all."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.request
from pathlib import Path

_BLOCK = 1 << 20  # bytes


def download(url: str, path: str | Path, checksum: str, algorithm: str = "md5") -> None:
    """Download `url` to `path`, going on from `path`.partial if there is one.

    checksum: hex digits by the algorithm (md5 or sha256), or the first of them. Nothing is done when `path` has it
    already; a file with another one is never replaced. Raises OSError when the server cannot be reached and ValueError
    when what came has another checksum (it is deleted), or when the file that is there has; all say what to do.
    """
    path = Path(path)
    if path.exists():
        if not (got := digest_of(path, algorithm)).startswith(checksum):
            raise ValueError(
                f"{path}: must have the {algorithm} checksum {checksum}, got {got}; move it away and run this again"
            )
        return
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _append(url, partial)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{url}: could not be fetched ({error}); run this again where there is internet, "
            f"or put the file there yourself as {path}",
        ) from error
    if not (got := digest_of(partial, algorithm)).startswith(checksum):
        partial.unlink()
        raise ValueError(
            f"{url}: must have the {algorithm} checksum {checksum}, got {got}; nothing was kept, run this again"
        )
    os.replace(partial, path)


def unpack(archive: str | Path, folder: str | Path) -> None:
    """Unpack a tar file into `folder`; what it holds at its top appears there whole or not at all.

    What is there already is never replaced. Raises ValueError when something is, when a member would leave the
    folder, or when it is no tar file.
    """
    folder = Path(folder)
    beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        with tarfile.open(archive) as file:
            file.extractall(beside, filter="data")  # no absolute paths, no links out, no devices
        if there := [folder / top.name for top in beside.iterdir() if os.path.lexists(folder / top.name)]:
            raise ValueError(
                f"{there[0]}: must not be there when {archive} is unpacked; move it away and run this again"
            )
        for top in beside.iterdir():
            os.replace(top, folder / top.name)
    except tarfile.TarError as error:
        raise ValueError(f"{archive}: could not be unpacked ({error}); delete it and run this again") from error
    finally:
        shutil.rmtree(beside)


def digest_of(path: str | Path, algorithm: str) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _append(url: str, partial: Path) -> None:
    """Fetch what `partial` lacks; from the beginning when the server does not serve parts."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies beyond what is here: it is complete
            return
        raise
    with answer, open(partial, "ab" if answer.status == 206 else "wb") as file:
        expected = answer.length
        start = file.tell()
        while block := answer.read(_BLOCK):
            file.write(block)
        if expected is not None and file.tell() - start < expected:
            raise OSError(None, f"the connection broke after {file.tell()} bytes")
