"""realgap.run.machine: how much memory the steps of a run on this machine share."""

import os
import re
import subprocess

import pytest

from realgap.run import machine
from tests import checkout

MACHINE_MB = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/user/job\n", {"user/job/memory.max": "max\n", "user/memory.max": "3000000000\n"}, 3000),
        ("0::/\n", {"memory.max": "2000000000\n"}, 2000),
        ("7:memory:/job\n3:cpu:/\n", {"memory/job/memory.limit_in_bytes": "1500000000\n"}, 1500),
        ("7:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, MACHINE_MB),
        ("0::/\n", {}, MACHINE_MB),
    ],
)
def test_memory_is_the_machines_or_the_least_that_a_group_above_allows(tmp_path, groups, files, expected):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert machine.memory_mb(tmp_path) == expected


@pytest.mark.long
def test_a_run_here_counts_memory(tmp_path):
    """Four shards that ask for 3 GB each, on four cores: all at a time, or two where there are 7 GB."""
    folder = checkout.copy(tmp_path / "checkout")
    shards = [f"results/reduced/real/{name}/{shard}.h5" for name in ("zero", "one") for shard in (0, 1)]
    first = {}
    for given in ([], ["--resources", "mem_mb=7000", "--forceall"]):
        command = ["snakemake", "--configfile", "study.yaml", "--cores", "4", *given, "--", *shards]
        run = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        provided = int(re.search(r"Provided resources:.*mem_mb\D+(\d+)", run.stderr).group(1))
        first[provided] = int(re.findall(r"Execute (\d+) jobs", run.stderr)[0])
    assert first == {machine.memory_mb(): min(4, machine.memory_mb() // 3000), 7000: 2}
