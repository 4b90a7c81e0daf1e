"""Where and when a job ran, as one line of its log; the report reads it there.

Shards say nothing of it, so that the same work gives the same bytes wherever and whenever it is done.
"""

import contextlib
import json
import os
import platform
import resource
import socket
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import count
from pathlib import Path

MARK = "realgap job: "
PACKAGES = ("diffusers", "numpy", "snakemake", "torch", "torchvision")


@dataclass(frozen=True)
class Job:
    """What a finished job says of itself; times in UTC, ISO 8601, to the second."""

    start: str
    end: str
    cpu_s: float  # user and system, of all threads
    peak_memory_mb: float
    energy_j: float | None  # of the whole GPU while the job ran, other jobs on it included; None where nothing counts
    host: str
    processor: str
    device: str  # the GPU's name, or "cpu"
    threads: int
    commit: str  # of the code, "-dirty" where files differed from it, or "unknown"
    versions: dict[str, str]


@dataclass(frozen=True)
class Beginning:
    """What has to be read when a job begins."""

    time: str
    energy_j: dict[str, float]  # counters of the GPUs, by UUID
    clock_s: float  # since the machine was started, as the process was
    cpu_s: float  # that this process had used


_PEAKS = [0.0]  # MB, the highest that this job was seen to hold

# how many jobs have begun in this process, which may run several one after another (workflow/warm.py)
_BEGUN = count()


def begin() -> Beginning:
    """What the process did before its first job, imports, is that job's."""
    if next(_BEGUN):
        _forget_peak()
        return Beginning(_now(), _energy_j(), _clock_s(), _cpu_s())
    return Beginning(_now(), _energy_j(), _born_s(), 0.0)


def log(beginning: Beginning) -> None:
    """Write the line of a job that ends now, to standard error."""
    device, uuid = _device()
    job = Job(
        start=beginning.time,
        end=_now(),
        cpu_s=round(cpu_s(beginning), 2),
        peak_memory_mb=round(peak_memory_mb(), 1),
        energy_j=round(_energy_j()[uuid] - beginning.energy_j[uuid], 1) if uuid in beginning.energy_j else None,
        host=socket.gethostname(),
        processor=_processor(),
        device=device,
        threads=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        commit=os.environ.get("REALGAP_COMMIT", "unknown"),
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    )
    print(MARK + json.dumps(asdict(job), sort_keys=True), file=sys.stderr, flush=True)


def peak_memory_mb() -> float:
    """Of this program since its job began; getrusage would count what the process that started it held before.

    Never less than it was before: Linux adds its peak up from rough counters, and the sum may fall.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        _PEAKS[:] = [max(int(peak.split()[1]) / 1024, *_PEAKS)]
        return _PEAKS[0]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def wall_s(beginning: Beginning) -> float:
    return _clock_s() - beginning.clock_s


def cpu_s(beginning: Beginning) -> float:
    return _cpu_s() - beginning.cpu_s


def read(path: str | Path) -> Job | None:
    """The job that a log tells of; None when it tells of none (cut off, taken from a cache, another program's)."""
    path = Path(path)
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line[len(MARK) :] for line in lines if line.startswith(MARK)]
    try:
        return Job(**json.loads(told[-1]))
    except (IndexError, TypeError, ValueError):
        return None


def _clock_s() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _born_s() -> float:
    """When this process was started or forked; now, where no /proc tells."""
    status = Path("/proc/self/stat")
    if not status.exists():
        return _clock_s()
    return int(status.read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _forget_peak() -> None:
    """Of the memory that the jobs before held (Linux, proc_pid_clear_refs(5))."""
    _PEAKS[:] = [0.0]
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _processor() -> str:
    """The processor's name as Linux has it, else as Python has it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _device() -> tuple[str, str]:
    """Name and UUID of the GPU that this process computed on, else ("cpu", ""); asking must not wake a GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return "cpu", ""
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return properties.name, f"GPU-{properties.uuid}"


def _energy_j() -> dict[str, float]:
    """Joules that each GPU has used since its driver was loaded, by UUID; empty where NVIDIA's driver counts none."""
    if not Path("/dev/nvidiactl").exists():
        return {}
    import pynvml

    try:
        pynvml.nvmlInit()
        gpus = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        return {pynvml.nvmlDeviceGetUUID(gpu): pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000 for gpu in gpus}
    except pynvml.NVMLError:
        return {}


def _now() -> str:
    """UTC as 2026-11-24T22:00:00+00:00."""
    return datetime.now(UTC).isoformat(timespec="seconds")
