"""The whole graph of ImageNet-1k with stub steps, killed twice: `python -m tests.benchmarks.graph`.

1,000 classes of four shards and two sources are 20,000 jobs. They are planned, run by a driver that is killed (SIGKILL)
at a third and at two thirds of them, and planned again. Of each the CPU time of the driver alone, which counts beside
steps that take hours, and its largest memory.
"""

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from realgap.report import text_tables
from tests import stub_study

SOURCES = ("stable_diffusion", "diffusion_inversion")
ROWS = ("real", *SOURCES, *(f"real+{source}" for source in SOURCES))
SHARDS_OF_A_SLICE = 3 + len(SOURCES)  # real, moments, embeddings
KILLS = (1 / 3, 2 / 3)  # of the shards
LOOK_S = 2.0
HEADER = ("", "shards made", "seconds", "driver's CPU s", "of a core", "driver's memory, MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--shards", type=int, default=4, help="of a class; default: %(default)s")
    parser.add_argument("--cores", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--plan", action="store_true", help="the dry run alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "checkout"
        environment = stub_study.make(folder, args.classes, args.shards, ROWS)
        rows = [("dry run", *watched(folder, environment, "-n", "--quiet", "rules"))]
        if not args.plan:
            rows += list(run(folder, environment, args.classes * args.shards * SHARDS_OF_A_SLICE, args.cores))
            rows.append(("nothing to do", *watched(folder, environment, "-n")))
            assert re.search(r"^total +0$", (folder / "said.txt").read_text(), re.MULTILINE)
        print(text_tables.markdown(HEADER, [(row[0], *map(_shown, row[1:])) for row in rows]))


def run(folder: Path, environment: dict[str, str], wanted: int, cores: int):
    """Rows of the legs of a run: two that are killed, and one that comes to its end."""
    for share in (*KILLS, None):
        # a killed driver leaves its lock, which on a cluster the next one removes by itself
        if (folder / ".snakemake/locks").exists():
            subprocess.run(stub_study.command("--unlock"), cwd=folder, env=environment, check=True, capture_output=True)
        limit = None if share is None else int(share * wanted)
        name = "run to its end" if share is None else f"run, killed at {limit:,}"
        row = watched(folder, environment, "--quiet", "all", "--cores", str(cores), limit=limit)
        yield (name, *row)
        print(*(name, *row), flush=True)
    assert made(folder) == wanted


def watched(folder: Path, environment: dict[str, str], *arguments: str, limit: int | None = None) -> tuple:
    """(shards made, seconds, CPU seconds of the driver alone, its share of a core, its largest memory in MB).

    limit: how many shards there are when the driver is killed; None: it ends by itself.
    """
    before, began, peak, cpu = made(folder), time.monotonic(), 0.0, 0.0
    with open(folder / "said.txt", "w") as said:
        command = stub_study.command(*arguments)
        driver = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        process, looked = psutil.Process(driver.pid), began
        while driver.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss / 1e6)
                cpu = sum(process.cpu_times()[:2])
                driver.wait(0.2)
            except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
                pass
            if limit is not None and time.monotonic() - looked > LOOK_S:
                looked = time.monotonic()
                if made(folder) >= limit:
                    driver.kill()
                    driver.wait()
    seconds = time.monotonic() - began
    assert driver.returncode == (0 if limit is None else -9), (folder / "said.txt").read_text()[-3000:]
    return made(folder) - before, seconds, cpu, cpu / seconds, peak


def made(folder: Path) -> int:
    """Shards that are there: files of one class each."""
    return sum(1 for path in (folder / "results/stub").rglob("*.h5") if path.stem.isdigit())


def _shown(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) and value < 1 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
