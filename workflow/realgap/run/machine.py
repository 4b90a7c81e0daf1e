"""What this machine gives its steps: its memory, and limits under which none can start. Imports nothing heavy."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

LEAST_ADDRESS_SPACE = 8_000_000_000  # bytes: with torch and diffusers imported a step on a CPU maps 4 to 5 GB


def check() -> None:
    """Raise ValueError where `ulimit -v` leaves too little for a step's libraries, whose errors would not say so."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < LEAST_ADDRESS_SPACE:
        least = LEAST_ADDRESS_SPACE // 1024
        raise ValueError(f"ulimit -v: must be unlimited or at least {least} (kB); got {soft // 1024}")


def memory_mb(root: Path = Path("/")) -> int:
    """Memory in MB that the steps of a run here share: the machine's, or less where a container or a job has less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_limits(root)]) // 1_000_000


def _limits(root: Path) -> Iterator[int]:
    """Limits in bytes of this process's control groups (version 2 and 1) and of those above them."""
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
            folder = root / "sys/fs/cgroup" / top
            for group in [folder / own.strip("/"), *(folder / own.strip("/")).parents]:
                with contextlib.suppress(OSError, ValueError):  # none here, or "max"
                    yield int((group / name).read_text())
                if group == folder:
                    break
