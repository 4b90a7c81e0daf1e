"""Snakemake itself: a dry run and a rerun with nothing to do, on stub studies of ever more shards."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from tests import checkout

SLICES = 4  # of a class, or fewer: what one job inverts
SHARDS_OF_A_SLICE = 6  # real, moments, embeddings, vae_only and the samples of two sources


def study(folder: Path, shards: int) -> Path:
    """A checkout in `folder` whose study has about so many shards; nothing of it is made yet."""
    checkout.copy(folder)
    (folder / "data").mkdir()
    slices = min(SLICES, -(-shards // SHARDS_OF_A_SLICE))
    classes = -(-shards // (slices * SHARDS_OF_A_SLICE))
    dataset = {"name": "image_folder", "root": "data", "images_per_class": 2 * slices, "images_per_shard": 2}
    changes = {
        **checkout.REDUCED,
        "study": "stub",
        "dataset": {**dataset, "classes": [f"a_class_of_images_{n:04d}" for n in range(classes)]},
        "seeds": [0],
        "analyses": [],
        "geometry": {"images_per_class": 0},
        "scaling": {"enabled": False},
        "transfer": {"enabled": False},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(changes))
    return folder


def pretend(folder: Path) -> int:
    """Make every output an empty file and tell Snakemake that it was made; returns how many are shards."""
    outputs = [line.split("\t")[0] for line in run(folder, "--summary").stdout.splitlines()[1:]]
    for number, name in enumerate(outputs):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (number, number))
    run(folder, "--touch", "--cores", "1", "--quiet", "all")
    return sum(re.search(r"/\d+\.h5$", name) is not None for name in outputs)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--configfile", "study.yaml", *arguments, "--until", "tabulate"]
    done = subprocess.run(command, cwd=folder, env=checkout.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def timed(folder: Path, *arguments: str) -> tuple[float, float, subprocess.CompletedProcess]:
    """Wall clock and CPU seconds of a Snakemake, and what it said."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = run(folder, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu_s, done


def measure(folder: Path, sizes: tuple[int, ...], repeats: int = 3) -> list[dict]:
    """A row for each size: median seconds of `snakemake -n` before anything is made, and of a run with all made."""
    rows = []
    for shards in sizes:
        stub = study(folder / f"{shards}-shards", shards)
        times = 1 if shards > 1_000 else repeats
        dry = [timed(stub, "-n", "--quiet", "rules") for _ in range(times)]
        made = pretend(stub)
        again = [timed(stub, "--cores", "1") for _ in range(times)]
        assert all(re.search("Nothing to be done", done.stdout + done.stderr) for _, _, done in again)
        rows.append(
            {
                "shards": made,
                "dry_run_s": float(np.median([wall for wall, _, _ in dry])),
                "dry_run_cpu_s": float(np.median([cpu for _, cpu, _ in dry])),
                "rerun_s": float(np.median([wall for wall, _, _ in again])),
                "rerun_cpu_s": float(np.median([cpu for _, cpu, _ in again])),
                "repeats": times,
            }
        )
        print(
            f"  {shards} shards: dry run {rows[-1]['dry_run_s']:.1f} s, rerun {rows[-1]['rerun_s']:.1f} s", flush=True
        )
    return rows
