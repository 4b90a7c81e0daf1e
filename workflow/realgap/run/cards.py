"""The GPUs of one machine: which there are, and which of them a job of a local run gets.

A run on this machine names the cards that it may use in the environment. Each of its jobs takes one that no other job
has and holds a lock of the kernel's on it: however the job ends, its card is free again. On a cluster nothing of this
acts: there the scheduler gives a job its card.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

# names of the cards a run may use, as CUDA_VISIBLE_DEVICES has them, each with the number of its turn: "0:0 1:0 0:1"
OFFERED = "REALGAP_CARDS"
_LOCKS = "REALGAP_CARD_LOCKS"
_HELD: list[int] = []  # file descriptors of this process's locks, open for as long as it lives


def there() -> list[str]:
    """The cards of this machine that CUDA_VISIBLE_DEVICES leaves, by the names it has there; all where it is unset."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [card for (card,) in _query("uuid")]
    # CUDA itself stops at the first name that is none
    return list(takewhile(lambda card: card not in ("", "-1"), map(str.strip, chosen.split(","))))


def offer(cards: Sequence[str], jobs: int) -> None:
    """Let so many jobs of this run at once have a card each; cards take turns where they are fewer."""
    names = [f"{cards[i % len(cards)]}:{i // len(cards)}" for i in range(jobs)] if cards else []
    os.environ[OFFERED] = " ".join(names)
    os.environ[_LOCKS] = f"{tempfile.gettempdir()}/realgap-cards-{os.getuid()}"


def claim(wanted: int) -> None:
    """Have this process see one card that no other job has, waiting for one, or none where none is wanted.

    To be called before CUDA is. Changes nothing in a process of no local run.
    """
    if OFFERED in os.environ:
        names = os.environ[OFFERED].split()
        os.environ["CUDA_VISIBLE_DEVICES"] = _free(names) if wanted and names else ""


def described() -> str:
    """The cards of this machine and their driver in words, for a message."""
    try:
        found = _query("name,compute_cap,driver_version")
    except OSError as error:
        return str(error)
    cards = sorted({f"{name} (compute capability {capability})" for name, capability, _ in found})
    return f"{', '.join(cards)}, driver {found[0][2]}" if found else "no driver of NVIDIA's (no nvidia-smi)"


def _query(fields: str) -> list[list[str]]:
    """What nvidia-smi says of each card; nothing where it is not there. Raises OSError where it fails."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (FileNotFoundError, PermissionError):
        return []
    except subprocess.TimeoutExpired:
        raise OSError("nvidia-smi: must answer within a minute; it did not") from None
    if asked.returncode:
        raise OSError(f"nvidia-smi: must tell the cards; it says {(asked.stdout + asked.stderr).strip()!r}")
    return [[value.strip() for value in line.split(",")] for line in asked.stdout.splitlines() if line.strip()]


def _free(names: Sequence[str]) -> str:
    """The first card whose lock is to be had; waits for jobs of other runs and of a killed one."""
    waiting = False
    while True:
        for name in names:
            if _lock(Path(os.environ[_LOCKS]), name):
                return name.rpartition(":")[0]
        if not waiting:
            print("waiting for a GPU that no other job has", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(0.2)


def _lock(folder: Path, name: str) -> bool:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = os.open(folder / name.replace("/", "_"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        return False
    _HELD.append(opened)
    return True
