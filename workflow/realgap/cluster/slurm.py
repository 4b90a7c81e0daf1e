"""SLURM's commands and what they say: whose accounts, which partitions, how far it can be reached.

Only this module and realgap.run.takeover start SLURM's commands; Snakemake's executor starts those of jobs.
"""

import getpass
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Answer = TypeVar("Answer")

# hours that an outage of SLURM or a full queue is waited out
PATIENCE = "REALGAP_SLURM_PATIENCE"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2, 60
TOOLS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
# what SLURM says when nobody is wrong but the moment: a controller that is away or busy, a queue that is full
_AWAY = re.compile(
    "unable to contact|connect failure|connection refused|timed out|zero bytes were transmitted|standby|"
    "temporarily unable|temporarily unavailable|munge|authentication credential|slurmctld is not responding|"
    "inactive or drain",
    re.IGNORECASE,
)
_FULL = re.compile("MaxSubmitJob|GrpSubmitJob|MaxJobCount|MaxSubmit|job queue is full", re.IGNORECASE)
# what a refusal means for a user, and which command lists what is allowed
_REMEDIES = {
    "invalid account": "set slurm_account; yours: sacctmgr show assoc user=$USER format=account,partition,qos",
    "invalid partition": "set slurm_partition; those there are: sinfo -s",
    "node configuration": "no node of the partition has that GPU, memory or CPUs: sinfo -o '%P %G %m %c'",
    "invalid qos": "set qos; yours: sacctmgr show assoc user=$USER format=account,qos",
    "invalid generic resource": "set gpu_model or gres; those there are: sinfo -o '%P %G'",
    "invalid feature": "set constraint; those there are: sinfo -o '%P %f'",
    "accounting/qos policy": "a limit of the account or QOS: sacctmgr show assoc,qos",
    "time limit": "a smaller runtime in set-resources; what is allowed: sinfo -o '%P %l'",
}


class Away(OSError):
    """SLURM cannot be asked now."""


@dataclass(frozen=True)
class Partition:
    """A partition: the longest time (minutes), and the most memory (MB), CPUs and GPUs of one of its nodes."""

    name: str
    minutes: float
    memory_mb: int
    cpus: int
    gpus: dict[str, int]  # model, or "gpu" where a site does not say -> the most on one node
    preemption: str  # PreemptMode
    default: bool


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if not shutil.which(tool)]


def ask(*command: str) -> str:
    """What a command prints. Raises Away where SLURM is away, ValueError with its own words where it refuses."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise Away(f"{command[0]} has not answered within two minutes") from None
    except OSError as error:
        raise ValueError(f"{command[0]}: {error.strerror}") from None
    if run.returncode:
        said = in_one_line(run.stderr or run.stdout)
        raise (Away if heals(said) else ValueError)(f"{command[0]}: {said}")
    return run.stdout


def when_there(question: Callable[[], Answer], say: Callable[[str], None]) -> Answer:
    """An answer, asked for until SLURM is there. Raises Away when patience ends."""
    begun, told = time.monotonic(), False
    for pause in pauses():
        try:
            return question()
        except Away as error:
            if time.monotonic() - begun + pause > patience_s():
                raise
            if not told:
                say(f"SLURM is away, asking again: {error}")
            told = True
            time.sleep(pause)
    raise AssertionError("pauses never end")


def patience_s() -> float:
    """How long an outage is waited out. Raises ValueError for what is no number of hours."""
    given = os.environ.get(PATIENCE, "24")
    try:
        hours = float(given)
    except ValueError:
        hours = -1
    if not 0 <= hours < float("inf"):
        raise ValueError(f"{PATIENCE}: must be hours, 0 or more; got {given!r}")
    return 3600 * hours


def pauses() -> Iterator[float]:
    """Seconds between attempts, growing."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_S)


def heals(said: str) -> bool:
    """Whether time alone mends what a command of SLURM's complains of."""
    return bool(_AWAY.search(said)) or is_full(said)


def is_full(said: str) -> bool:
    """Whether a limit on the number of jobs in the queue is reached."""
    return bool(_FULL.search(said))


def in_one_line(said: str) -> str:
    """A command's complaint without its repetitions: "sbatch: error: " at the front of each line."""
    lines = (
        re.sub(r"^(\w+: )?((error|fatal): )?(Batch job submission failed: )?", "", one) for one in said.splitlines()
    )
    return "; ".join(dict.fromkeys(line.strip() for line in lines if line.strip()))


def remedy(said: str) -> str:
    """What to do about a refusal, with the command that lists what is allowed; nothing where that is not known."""
    return next((todo for words, todo in _REMEDIES.items() if words in said.lower()), "")


def accounts() -> list[str]:
    """The accounts that this user may charge, the default one first; none where there is no accounting.

    Raises Away, and ValueError where accounting does not answer.
    """
    if "accounting_storage/none" in ask("scontrol", "show", "config"):
        return []
    command = ("sacctmgr", "-nP", "show", "user", getpass.getuser(), "withassoc", "format=account,defaultaccount")
    rows = [line.split("|") for line in ask(*command).splitlines() if line]
    return list(dict.fromkeys(sorted((account for account, _ in rows), key=lambda one: one != rows[0][1])))


def submit_limit(account: str) -> int | None:
    """How many jobs of this user the queue takes at once, as far as accounting says; None where it says nothing."""
    user = getpass.getuser()
    command = ("sacctmgr", "-nP", "show", "assoc", f"user={user}", f"account={account}", "format=maxsubmit,qos")
    rows = [line.split("|") for line in ask(*command).splitlines() if line]
    limits = [limit for limit, _ in rows]
    if names := {name.lstrip("+-") for _, qos in rows for name in qos.split(",") if name}:
        own = ask("sacctmgr", "-nP", "show", "qos", ",".join(sorted(names)), "format=maxsubmitjobsperuser")
        limits += own.split() if len(names) == 1 else []
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)


def partitions() -> dict[str, Partition]:
    """Every partition that this user sees, by name."""
    said = {one["PartitionName"]: one for one in map(_pairs, ask("scontrol", "show", "partition", "-o").splitlines())}
    rows = [line.split("|") for line in ask("sinfo", "-h", "-N", "-o", "%R|%m|%c|%G").splitlines()]
    found = {}
    for name, one in said.items():
        own = [row[1:] for row in rows if row[0] == name]
        found[name] = Partition(
            name,
            minutes(one["MaxTime"]),
            max((int(memory.rstrip("+")) for memory, _, _ in own), default=0),
            max((int(cpus.rstrip("+")) for _, cpus, _ in own), default=0),
            _gpus(gres for _, _, gres in own),
            one.get("PreemptMode", "OFF"),
            one.get("Default") == "YES",
        )
    return found


def minutes(limit: str) -> float:
    """SLURM's times, "1-00:00:00", "12:00:00" or "UNLIMITED", in minutes."""
    if limit in ("UNLIMITED", "INFINITE"):
        return float("inf")
    days, _, clock = limit.rpartition("-")
    hours, minute, second = (int(part) for part in clock.split(":"))
    return int(days or 0) * 1440 + hours * 60 + minute + second / 60


def _pairs(line: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in line.split() if "=" in part)


def _gpus(fields: Iterable[str]) -> dict[str, int]:
    """Of each model the most on one node, from fields such as "gpu:a100:4(S:0-1),mps:400" or "gpu:2"."""
    most: dict[str, int] = {}
    for one in (re.sub(r"\(.*?\)", "", field) for line in fields for field in line.split(",")):
        kind, *model, count = one.strip().split(":") if ":" in one else ("", "0")
        if kind == "gpu" and count.isdigit():
            name = ":".join(model) or "gpu"
            most[name] = max(most.get(name, 0), int(count))
    return most
