"""Which Snakemake follows jobs in a queue, so that the same command can take over after its machine died.

Snakemake keeps no list of what it submitted: killed, it leaves a lock and jobs that a second run would submit
again beside the first ones. A driver therefore leaves a card beside Snakemake's own state and keeps it fresh.
"""

import atexit
import contextlib
import getpass
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from realgap.cluster import slurm
from realgap.store import files

STATE = Path(".snakemake")
BEAT_S = 60
# a driver on another machine that has not been heard of for so long is dead
SILENCE_S = 10 * BEAT_S
# SLURM's KillWait and what it needs to tidy up
LONGEST_END_S = 300


def register(
    run: str,
    locks: Iterable[str] = (),
    keep: Callable[[], bool] = bool,
    state: Path = STATE,
    results: Path | None = None,
) -> None:
    """Leave a card for this process, which follows the jobs named `run`, until it ends in order.

    locks: the files with which Snakemake locks this run. keep: asked at the end, whether jobs are left in the queue;
    the card then stays for the next run. results: where the run writes; a card there is for other checkouts.
    OSError where there is no room for a card; none is left then.
    """
    cards = [state / "realgap-drivers" / f"{run}.json"]
    cards += [] if results is None else [results / ".drivers" / f"{run}.json"]
    said = {
        "host": socket.gethostname(),
        "process": identity(os.getpid()),
        "run": run,
        "user": getpass.getuser(),
        "checkout": str(Path.cwd()),
        "locks": {str(lock): _file(Path(lock)) for lock in locks},
        "cards": [str(card) for card in cards],
    }
    try:
        for card in cards:
            files.write(card, json.dumps(said).encode())
    except OSError:
        _remove(said)
        raise
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            for card in cards:
                with contextlib.suppress(OSError):
                    os.utime(card)

    def leave() -> None:
        over.set()
        if not keep():
            _remove(said)

    threading.Thread(target=beat, daemon=True).start()
    atexit.register(leave)


def check_elsewhere(results: Path) -> list[str]:
    """Raise ValueError where a run of another checkout writes to the same folder, or its jobs still do.

    A card that cannot be read is named and passed over: a line each.
    """
    cards = {card: _read(card) for card in sorted((results / ".drivers").glob("*.json"))}
    for card, driver in cards.items():
        if not driver or driver.get("checkout") == str(Path.cwd()):
            continue
        user, checkout = driver.get("user", "somebody"), driver.get("checkout", "another checkout")
        who = f"the run {driver['run']} of {user} in {checkout} on {driver['host']}"
        if lives(card, driver):
            raise ValueError(f"{results}: must be written by one run at a time; {who} writes there now")
        if shutil.which("squeue") and _queued(driver["run"]):
            raise ValueError(
                f"{results}: must be written by one run at a time; {who} is dead, but its jobs are in the queue: "
                f"start it again there, or scancel --name={driver['run']}"
            )
        card.unlink(missing_ok=True)
    return _odd(cards)


def take_over(state: Path = STATE) -> list[str]:
    """Cancel what dead drivers left in the queue, wait until it is gone, remove their own locks; what was done.

    Cancelled steps save their state and go on from it when they are submitted again. A card that cannot be read is
    named and passed over. An outage of SLURM is waited out. Raises ValueError when jobs do not end, or are another
    user's; OSError when SLURM stays away.
    """
    cards = {card: _read(card) for card in sorted((state / "realgap-drivers").glob("*.json"))}
    done = _odd(cards)
    dead = {card: driver for card, driver in cards.items() if driver and not lives(card, driver)}
    if not dead or not shutil.which("scancel"):
        return done
    for driver in dead.values():
        jobs = _queued(driver["run"])
        _check_owner(driver, jobs)
        _ask("scancel", f"--name={driver['run']}")
        done.append(f"the run {driver['run']} on {driver['host']} is dead: cancelled the {len(jobs)} jobs it left")
    end = time.monotonic() + LONGEST_END_S
    while any(_queued(driver["run"]) for driver in dead.values()):
        if time.monotonic() > end:
            names = ", ".join(driver["run"] for driver in dead.values())
            raise ValueError(f"jobs of a dead run do not end: squeue --name={names}")
        time.sleep(1)
    for card, driver in dead.items():
        for lock, identity in driver.get("locks", {}).items():
            # after an --unlock another run may have one of that name
            if _file(Path(lock)) == identity:
                Path(lock).unlink(missing_ok=True)
        _remove(driver)
        card.unlink(missing_ok=True)
    return done


def lives(card: Path, driver: Mapping[str, Any]) -> bool:
    """Whether the process that a card tells of runs: known of this machine, else by when it was last heard of."""
    if driver["host"] == socket.gethostname():
        return identity(driver["process"][0]) == driver["process"]
    return time.time() - card.stat().st_mtime < SILENCE_S


def identity(pid: int) -> list[int]:
    """A process and when it was started: numbers are used again. [] when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if stat[0] == "Z" else [pid, int(stat[19])]


def _odd(cards: dict[Path, Any]) -> list[str]:
    return [f"{card}: not the card of a run; passed over, delete it" for card, driver in cards.items() if not driver]


def _remove(driver: dict[str, Any]) -> None:
    for card in map(Path, driver.get("cards", [])):
        card.unlink(missing_ok=True)
        if card.parent.name == ".drivers":
            with contextlib.suppress(OSError):  # another run's is there
                card.parent.rmdir()


def _read(card: Path) -> dict[str, Any]:
    """What a card says; nothing where it is empty or odd, as a full disk leaves it."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        driver = json.loads(card.read_text())
        process = driver["process"]
        if isinstance(driver["host"], str) and isinstance(driver["run"], str) and isinstance(process, list) and process:
            return driver
    return {}


def _queued(run: str) -> list[str]:
    return _ask("squeue", "--noheader", f"--name={run}", "--format=%i").split()


def _ask(*command: str) -> str:
    return slurm.when_there(lambda: slurm.ask(*command), lambda line: print(line, file=sys.stderr, flush=True))


def _check_owner(driver: dict[str, Any], jobs: list[str]) -> None:
    """Jobs of another user cannot be cancelled, and would write the same files as this run's."""
    owner = driver.get("user", getpass.getuser())
    if jobs and owner != getpass.getuser():
        raise ValueError(
            f"the run {driver['run']} of {owner} on {driver['host']} is dead and left {len(jobs)} jobs in the queue; "
            f"{owner} must start it again here, or cancel them: scancel --name={driver['run']}"
        )


def _file(path: Path) -> list[int]:
    """Which file stands under a name; [] when there is none."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_ino, stat.st_mtime_ns]
