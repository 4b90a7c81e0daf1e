"""Snakemake itself: a dry run and a rerun with nothing to do, on stub studies of ever more shards."""

import re
from pathlib import Path

import numpy as np

from tests import stub_study
from tests.benchmarks.harness import timed

SLICES = 4  # of a class, or fewer: what one job inverts


def measure(folder: Path, sizes: tuple[int, ...], repeats: int) -> list[dict]:
    """A row for each size: median seconds of `snakemake -n` before anything is made, and of a run with all made."""
    rows = []
    for wanted in sizes:
        slices = min(SLICES, -(-wanted // (2 * stub_study.SHARDS_OF_A_SLICE)))
        classes = max(2, -(-wanted // (slices * stub_study.SHARDS_OF_A_SLICE)))
        stub = folder / f"{wanted}-shards"
        environment = stub_study.make(stub, classes, slices)
        times = repeats if wanted <= 1_000 else 1
        dry = [_timed(stub, environment, "-n", "--quiet", "rules") for _ in range(times)]
        made_s, _, _ = _timed(stub, environment, "--quiet", "all")
        again = [_timed(stub, environment) for _ in range(times)]
        assert all(re.search(r"^total +0$", said, re.MULTILINE) for _, _, said in again)
        row = {"shards": classes * slices * stub_study.SHARDS_OF_A_SLICE, "repeats": times, "made_s": made_s}
        for name, runs in (("dry_run", dry), ("rerun", again)):
            row[f"{name}_s"], row[f"{name}_cpu_s"] = (float(np.median([run[at] for run in runs])) for at in (0, 1))
        rows.append(row)
        print(" ", {key: round(value, 1) for key, value in row.items()}, flush=True)
    return rows


def _timed(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[float, float, str]:
    return timed(stub_study.command(*arguments), cwd=folder, env=environment)
