"""What a site calls what jobs ask for: a file beside the profile, written from SLURM's own words, not tracked by git.

The profile (slurm/config.yaml) is the same everywhere; keys of the site's file stand in the place of its keys.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from snakemake.resources import Resources

from realgap.cluster import slurm

FILE = Path("slurm/site.yaml")
# every step; steps with a place of their own in the profile, which are those that ask for a GPU; single steps
SECTIONS = ("default-resources", "gpu", "set-resources")


def apply(settings: Any, file: Path = FILE) -> None:
    """Put a site's own values into Snakemake's ResourceSettings, before its rules are read. Without the file: nothing.

    Raises ValueError for a file that cannot be read or has other sections.
    """
    if not file.exists():
        return
    given = read(file)
    usual, single = settings.default_resources or Resources(), dict(settings.overwrite_resources)
    usual.update(_parsed(given["default-resources"]))
    for own in single.values():
        own.update(_parsed(given["gpu"]))
    for rule, values in given["set-resources"].items():
        single.setdefault(rule, Resources()).update(_parsed(values))
    settings.default_resources, settings.overwrite_resources = usual, single


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The sections of a site's file, empty where it has none."""
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: must be YAML; {' '.join(str(error).split())}") from None
    if not isinstance(given, dict) or not set(given) <= set(SECTIONS):
        got = ", ".join(map(str, given)) if isinstance(given, dict) else type(given).__name__
        raise ValueError(f"{file}: must hold {', '.join(SECTIONS)} alone; got {got}")
    sections = {name: given.get(name) or {} for name in SECTIONS}
    nested = [
        sections["default-resources"],
        sections["gpu"],
        sections["set-resources"],
        *sections["set-resources"].values(),
    ]
    if not all(isinstance(one, dict) for one in nested):
        raise ValueError(f"{file}: each section must hold names and values")
    return sections


def written() -> str:
    """A site's file from what SLURM says: the user's account, the usual partition, and the one for GPUs.

    Raises ValueError without SLURM's commands or where no partition suits, OSError when SLURM is away.
    """
    if absent := slurm.missing_tools():
        raise ValueError(f"{', '.join(absent)}: must be in PATH, as on a login node; not found (module load slurm?)")
    accounts, partitions = slurm.accounts(), slurm.partitions()
    steady = {
        name: one
        for name, one in partitions.items()
        if "REQUEUE" not in one.preemption and "CANCEL" not in one.preemption
    }
    pool = list((steady or partitions).values())
    usual = min(pool, key=lambda one: (bool(one.gpus), not one.default), default=None)
    if usual is None:
        raise ValueError("sinfo -s: must list a partition; got none")
    lines = [
        f"# What SLURM said of this site on {datetime.date.today()}; change what does not suit.",
        "# Git does not track this file. Its keys stand in the place of those in slurm/config.yaml.",
        "default-resources:",
        *_account(accounts),
        "  # sinfo -s: " + ", ".join(map(_described, partitions.values())),
        f"  slurm_partition: {usual.name}",
    ]
    with_gpus = [one for one in pool if one.gpus]
    if with_gpus:
        best = max(with_gpus, key=lambda one: (one.minutes, one.default))
        models = ", ".join(f"{model} ({count} a node)" for model, count in best.gpus.items())
        lines += [
            "gpu:",
            f"  slurm_partition: {best.name}",
            f"  # sinfo -o '%P %G': {models}; any of them unless one is named",
        ]
        lines += [f"  # gpu_model: {model}" for model in best.gpus if model != "gpu"]
    return "\n".join(lines) + "\n"


def _account(accounts: list[str]) -> list[str]:
    if not accounts:
        return ["  # no accounting here: any account will do"]
    listing = "sacctmgr show assoc user=$USER format=account,partition,qos"
    return [f"  # {listing}: {', '.join(accounts)}", f"  slurm_account: {accounts[0]}"]


def _described(partition: slurm.Partition) -> str:
    hours = "no limit" if partition.minutes == float("inf") else f"{partition.minutes / 60:g} h"
    gpus = f", {'/'.join(partition.gpus)} GPUs" if partition.gpus else ""
    preempted = f", {partition.preemption}" if partition.preemption not in ("OFF", "") else ""
    return f"{partition.name} ({hours}, {partition.memory_mb / 1000:g} GB{gpus}{preempted})"


def _parsed(values: Mapping[str, Any]) -> Resources:
    """As in a profile: numbers, texts and expressions of `attempt`."""
    return Resources.parse([f"{name}={value}" for name, value in values.items()], allow_expressions=True)
