"""The default study by `snakemake --profile slurm` on a SLURM of two cores, beside a run of the same cores without one.

    envs/run python -m tests.benchmarks.on_slurm    # as root, with slurm-wlm, munge, slurmdbd and mariadb-server

Prints minutes, entries in the queue, the driver's CPU time, and whether both runs end in tables of the same bytes.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests import checkout
from tests.slurm import cluster as clusters

RESULTS = "results/digits"
TABLES = ("table.csv", "accuracies.csv", "verdicts.csv", "pairs.csv")
# both cores are one node's, as where a laptop's cores are; what no partition holds is never idle
CPU01 = "NodeName=cpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs="
TWO_CORES = {
    f"{CPU01}8": f"{CPU01}2",
    "PartitionName=cpu Nodes=cpu[01-02]": "PartitionName=unused Nodes=cpu02\nPartitionName=cpu Nodes=cpu01",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="all")
    target = parser.parse_args().target
    with tempfile.TemporaryDirectory() as name:
        folders = {where: checkout.copy(Path(name) / where) for where in ("slurm", "here")}
        for folder in folders.values():
            config = yaml.safe_load((folder / "config.yaml").read_text())
            config["compute"]["device"] = "cpu"  # else the profile asks for cards
            (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        _report("on SLURM", *_on_slurm(folders["slurm"], target))
        _report("without", *_run(folders["here"], ["--cores", "2"], os.environ, target))
        for table in TABLES:
            one, other = ((folder / RESULTS / table).read_bytes() for folder in folders.values())
            print(f"{table}: {'the same bytes' if one == other else 'OTHER BYTES'}")


def _on_slurm(folder: Path, target: str) -> tuple[float, float, int]:
    for line, changed in TWO_CORES.items():
        assert line in clusters.CONF
        clusters.CONF = clusters.CONF.replace(line, changed)
    cluster = clusters.Cluster(accounting=True)
    try:
        cluster.start()
        site = {"default-resources": {"slurm_account": clusters.ACCOUNT, "slurm_partition": "cpu"}}
        site["gpu"] = {"slurm_partition": "cpu"}  # the nodes with cards have cores of their own
        (folder / "slurm/site.yaml").write_text(yaml.safe_dump(site))
        own, _, others = cluster.environment["PATH"].partition(":")
        path = f"{own}:{Path(sys.executable).parent}:{others}"
        minutes, cpu_s, _ = _run(folder, ["--profile", "slurm"], {**cluster.environment, "PATH": path}, target)
        return minutes, cpu_s, len(cluster.jobs())
    finally:
        cluster.stop()


def _run(folder: Path, how: list[str], environment: dict[str, str], target: str) -> tuple[float, float, int]:
    """Minutes, CPU seconds of the driver and what it waited for, and 0 entries."""
    before, began = _cpu_s(), time.monotonic()
    subprocess.run(["snakemake", *how, "-q", "all", "--", target], cwd=folder, env=environment, check=True)
    return (time.monotonic() - began) / 60, _cpu_s() - before, 0


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _report(where: str, minutes: float, cpu_s: float, entries: int) -> None:
    queue = f", {entries} entries in the queue" if entries else ""
    print(f"{where}: {minutes:.1f} minutes, {cpu_s:.0f} CPU seconds of the driver{queue}", flush=True)


if __name__ == "__main__":
    main()
