"""Which Snakemake follows jobs in a queue, so that the same command can take over after its machine died.

Snakemake keeps no list of what it submitted: killed, it leaves a lock and jobs that a second run would submit
again beside the first ones. A driver therefore leaves a card beside Snakemake's own state and keeps it fresh.
"""

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from realgap.store import files

STATE = Path(".snakemake")
BEAT_S = 60
# a driver on another machine that has not been heard of for so long is dead
SILENCE_S = 10 * BEAT_S
# SLURM's KillWait and what it needs to tidy up
LONGEST_END_S = 300


def register(run: str, state: Path = STATE) -> None:
    """Leave a card for this process, which follows the jobs named `run`, until it ends in order."""
    card = state / "realgap-drivers" / f"{run}.json"
    said = {"host": socket.gethostname(), "process": _identity(os.getpid()), "run": run}
    files.write(card, json.dumps(said).encode())
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(card)

    def leave() -> None:
        over.set()
        card.unlink(missing_ok=True)

    threading.Thread(target=beat, daemon=True).start()
    atexit.register(leave)


def take_over(state: Path = STATE) -> list[str]:
    """Cancel what dead drivers left in the queue, wait until it is gone, remove their locks; what was done.

    Cancelled steps save their state and go on from it when they are submitted again. Locks stay when a driver
    lives. A card that cannot be read is named and passed over, and locks stay. Raises ValueError when jobs do not end.
    """
    cards = {card: _read(card) for card in sorted((state / "realgap-drivers").glob("*.json"))}
    done = [f"{card}: not the card of a run; passed over, delete it" for card, driver in cards.items() if not driver]
    dead = {card: driver for card, driver in cards.items() if driver and not _lives(card, driver)}
    if not dead or not shutil.which("scancel"):
        return done
    for driver in dead.values():
        jobs = _queued(driver["run"])
        subprocess.run(["scancel", f"--name={driver['run']}"], check=True, capture_output=True)
        done.append(f"the run {driver['run']} on {driver['host']} is dead: cancelled the {len(jobs)} jobs it left")
    end = time.monotonic() + LONGEST_END_S
    while any(_queued(driver["run"]) for driver in dead.values()):
        if time.monotonic() > end:
            names = ", ".join(driver["run"] for driver in dead.values())
            raise ValueError(f"jobs of a dead run do not end: squeue --name={names}")
        time.sleep(1)
    if len(dead) == len(cards):
        shutil.rmtree(state / "locks", ignore_errors=True)
    for card in dead:
        card.unlink(missing_ok=True)
    return done


def _read(card: Path) -> dict[str, Any]:
    """What a card says; nothing where it is empty or odd, as a full disk leaves it."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        driver = json.loads(card.read_text())
        if {"host", "process", "run"} <= set(driver):
            return driver
    return {}


def _queued(run: str) -> list[str]:
    command = ["squeue", "--noheader", f"--name={run}", "--format=%i"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def _lives(card: Path, driver: dict[str, Any]) -> bool:
    if driver["host"] == socket.gethostname():
        return _identity(driver["process"][0]) == driver["process"]
    return time.time() - card.stat().st_mtime < SILENCE_S


def _identity(pid: int) -> list[int]:
    """A process and when it was started: numbers are used again. [] when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if stat[0] == "Z" else [pid, int(stat[19])]
