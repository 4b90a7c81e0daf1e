"""Whether a site allows what a run will ask for, said before its first job is submitted."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from realgap.cluster import slurm

PLACEHOLDER = "default"


def check(requests: Iterable[Mapping[str, Any]], say: Callable[[str], None], limit: int) -> int:
    """The number of jobs that the queue takes at once, at most `limit`, for these requests (resources of jobs).

    An outage of SLURM is waited out. Raises ValueError with a line for each thing that the site does not allow:
    what it is, what it may be, and which command lists that. What cannot be asked is told to `say`; sbatch decides.
    """
    if absent := slurm.missing_tools():
        raise ValueError(f"{', '.join(absent)}: must be in PATH, as on a login node; not found (module load slurm?)")
    slurm.patience_s()
    requests = list(requests)
    partitions = slurm.when_there(slurm.partitions, say)
    problems = [line for request in requests for line in _beyond(request, partitions)]
    wanted = sorted({str(one["slurm_account"]) for one in requests if one.get("slurm_account")})
    try:
        # not waited for: jobs run without it
        known = slurm.accounts()
        problems += [_not_mine(account, known) for account in wanted if known and account.lower() not in known]
        limits = [slurm.submit_limit(account) for account in wanted if known and not problems]
    except (OSError, ValueError) as error:
        say(f"accounts are not checked, accounting does not answer: {error}")
        limits = []
    if problems:
        raise ValueError("\n".join(dict.fromkeys(problems)))
    return min([limit, *(one for one in limits if one)])


def warnings(requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a site allows and a run will suffer from."""
    partitions = slurm.partitions()
    used = {str(one["slurm_partition"]) for one in requests if one.get("slurm_partition")} & set(partitions)
    return [
        f"partition {name}: jobs that are preempted there are cancelled (PreemptMode=CANCEL), each uses up an attempt: "
        "scontrol show partition"
        for name in sorted(used)
        if "CANCEL" in partitions[name].preemption
    ]


def _not_mine(account: str, known: list[str]) -> str:
    listing = "sacctmgr show assoc user=$USER format=account,partition,qos"
    again = "; `snakemake site` writes it" if account == PLACEHOLDER else ""
    return f"slurm_account: must be one of {', '.join(known)} ({listing}); got {account}{again}"


def _beyond(request: Mapping[str, Any], partitions: dict[str, slurm.Partition]) -> Iterable[str]:
    """What of a request the partition does not give."""
    name = str(request.get("slurm_partition") or next((one.name for one in partitions.values() if one.default), ""))
    partition = partitions.get(name)
    step = request["step"]
    if partition is None:
        yield f"slurm_partition of {step}: must be one of {', '.join(partitions)} (sinfo -s); got {name or 'none'}"
        return
    for key, most, listing in (
        ("runtime", partition.minutes, "sinfo -o '%P %l'"),
        ("mem_mb", partition.memory_mb, "sinfo -o '%P %m'"),
        ("_cores", partition.cpus, "sinfo -o '%P %c'"),
    ):
        asked = request.get(key)
        if isinstance(asked, int) and asked > most > 0:
            called = "threads" if key == "_cores" else key
            yield f"{called} of {step}: must be at most {most:g} in partition {name} ({listing}); got {asked}"
    model = request.get("gpu_model")
    if request.get("gpu") and not partition.gpus:
        yield f"slurm_partition of {step}: must have GPUs (sinfo -o '%P %G'); got {name}"
    elif request.get("gpu") and model and model not in partition.gpus:
        models = ", ".join(partition.gpus)
        yield f"gpu_model of {step}: must be one of {models} in partition {name} (sinfo -o '%P %G'); got {model}"
