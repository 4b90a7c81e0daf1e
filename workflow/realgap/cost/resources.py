"""What a job asks a cluster for, from the work that it does (cost.plan): minutes, memory, disk; and its list.

A request that is too small costs a repetition, one that is too large costs waiting: times are twice the plan's
and memory a quarter more, and each further attempt asks for as much again.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from realgap.cost.plan import Work
from realgap.report import text_tables

# a step's imports and its weights from a slow shared disk, besides two Snakemakes
START_MINUTES = 5
TIME_MARGIN = 2.0
MEMORY_MARGIN = 1.25
_BESIDE_GPU_MB = 4000  # Python, torch and CUDA's own
# what two Snakemakes hold beside the step
_SNAKEMAKES_MB = 500
_STEP_MB = 500


def minutes(work: Work, device: str, utilisation: float, attempt: int = 1) -> int:
    """Wall time to ask for."""
    return math.ceil((START_MINUTES + TIME_MARGIN * 60 * work.hours(device, utilisation)) * attempt)


def memory_mb(work: Work, attempt: int = 1, on_gpu: bool = False) -> int:
    """Memory of the node to ask for, in steps of 500 MB.

    on_gpu: what a batch needs is then the GPU's memory; the node holds Python, torch and CUDA, and what is read.
    """
    needed = work.memory_mb
    if on_gpu:
        kept = work.memory_bytes if work.node_bytes is None else work.node_bytes
        needed = _BESIDE_GPU_MB + kept / 1e6
    return _STEP_MB * math.ceil((needed * MEMORY_MARGIN + _SNAKEMAKES_MB) * attempt / _STEP_MB)


def disk_mb(work: Work) -> int:
    """Of the shared file system: what the step writes, and its checkpoint beside it."""
    return max(1, math.ceil(3 * work.disk_bytes / 1e6))


@dataclass(frozen=True)
class Entry:
    """One entry in the queue: a job, or a group of jobs that run one after another."""

    rules: tuple[str, ...]
    jobs: int
    resources: dict[str, Any]

    @property
    def wants(self) -> tuple[str, ...]:
        asked = self.resources.get
        gpu = asked("gres") or ":".join(str(part) for part in (asked("gpu_model"), asked("gpu", 0)) if part) or "–"
        cpus, hours = asked("cpus_per_task") or asked("_cores", 1), asked("runtime", 0) / 60
        memory = f"{asked('mem_mb', 0) / 1000:g} GB"
        return (str(asked("slurm_partition")), str(gpu), str(cpus), memory, f"{int(hours)}:{round(hours % 1 * 60):02d}")


def table(entries: Iterable[Entry]) -> str:
    """Lines of text for people: entries of the same rules that ask for the same share a row."""
    rows = defaultdict(list)
    for entry in entries:
        rows[" + ".join(entry.rules), entry.wants].append(entry.jobs)
    header = ("step", "jobs", "in the queue", "partition", "GPUs", "CPUs", "memory", "time, h:min")
    cells = [(step, str(sum(jobs)), str(len(jobs)), *wants) for (step, wants), jobs in rows.items()]
    entries = sum(len(jobs) for jobs in rows.values())
    note = f"{entries} entries in the queue; CPUs, memory and GPUs are of one entry. Another attempt asks for more."
    return "\n".join(["What SLURM is asked for:", "", *text_tables.columns(header, cells), "", note])
