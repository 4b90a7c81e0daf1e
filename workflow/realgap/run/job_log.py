"""Where and when a job ran, as one line of its log; the report reads it there.

Shards say nothing of it, so that the same work gives the same bytes wherever and whenever it is done.
"""

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


def begin() -> Beginning:
    return Beginning(_now(), _energy_j())


def log(beginning: Beginning) -> None:
    """Write the line of a job that ends now, to standard error."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    device, uuid = _device()
    job = Job(
        start=beginning.time,
        end=_now(),
        cpu_s=round(used.ru_utime + used.ru_stime, 2),
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
    """Of this program; getrusage would count what the process that started it held before."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds_lived() -> float:
    """Since this process was started or forked, its imports included; by its CPU's clock where no /proc tells."""
    status = Path("/proc/self/stat")
    if status.exists():
        began_ticks = int(status.read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began_ticks / os.sysconf("SC_CLK_TCK")
    return time.process_time()


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
