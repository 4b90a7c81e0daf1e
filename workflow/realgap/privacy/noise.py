"""Noise that nobody can draw again: from a secret that never leaves, not from the study's seed.

A seed that stands in a published config would let anybody take the noise away. Noise is a function of the secret and of
all that is released. The same release drawn again is the same, bit for bit, and says nothing new. Another one has noise
of its own; with shared noise the difference of two releases would show the images.
"""

import hashlib
import os
import secrets
from pathlib import Path

import numpy as np
from scipy import special

BYTES = 32  # of a secret


def secret(path: str | Path) -> bytes:
    """The secret in a file, made by the system's generator and readable by its owner alone where there is none yet.

    Raises ValueError for a file that is none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    found = path.read_bytes()
    if len(found) != BYTES:
        raise ValueError(f"{path}: must be a secret of {BYTES} bytes; got {len(found)}")
    return found


def normal(secret: bytes, about: str, size: int) -> np.ndarray:
    """Standard normal float64 (size,), the same for the same secret and `about`, and unforeseeable without the secret.

    SHAKE-256 makes the bits, 52 of a number; the normal's inverse makes numbers of them. Beyond 8.1 nothing is drawn,
    which has chance 2e-16.
    """
    key = secret + hashlib.sha256(about.encode()).digest()
    bits = np.frombuffer(hashlib.shake_256(key).digest(8 * size), "<u8") >> np.uint64(12)
    return special.ndtri((bits.astype(np.float64) + 0.5) / 2.0**52)


def _make(path: Path) -> None:
    """Whole or not at all; of several jobs that begin at once, one makes it."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink(missing_ok=True)
