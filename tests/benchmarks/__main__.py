"""Race every stage against its baselines and write the results: `python -m tests.benchmarks --device cpu`.

Results are kept by device and stage, so a stage can be measured again by itself; beside the JSON a table
(.md) and a plot (.png, .svg) are written from all that it holds.
"""

import argparse
import datetime
import importlib
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import torch

from realgap import devices
from realgap.store import provenance
from tests.benchmarks import report
from tests.benchmarks.harness import MATMUL, judge, race

RACES = ("inversion", "sampling", "classifier", "saliency", "fidelity", "store", "geometry")
STAGES = (*RACES, *report.APART)
MATMUL_SIDE = {"cpu": 1024, "cuda": 8192}
CONTEST_MINUTES = 2  # the most that one is taken to need: to compile a UNet forwards and backwards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.json"))
    parser.add_argument(
        "--stage", nargs="+", choices=STAGES, default=RACES, help=f"default: all but {', '.join(report.APART)}"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help=f"no contest begins in the last {CONTEST_MINUTES} of so many")
    parser.add_argument("--shards", type=int, nargs="+", default=[10, 100, 1_000], help="sizes of stage workflow")
    args = parser.parse_args()
    args.begun = time.perf_counter()
    device = devices.pick(devices.Compute(device=args.device))
    torch.set_num_threads(args.threads)
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    for stage in args.stage:
        print(f"{stage} ...", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            measured = _measure(stage, device, Path(folder), args)
        results.setdefault(args.device, {})[stage] = measured
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(results, indent=1) + "\n")
        report.write(results, args.out)
    print(args.out.with_suffix(".md").read_text())


def _measure(stage: str, device: torch.device, folder: Path, args: argparse.Namespace) -> dict:
    module = importlib.import_module(f"tests.benchmarks.{stage}")
    about = _circumstances(device, args.threads)
    if stage == "workflow":
        return {**about, "rows": module.measure(folder, tuple(args.shards), min(3, args.rounds))}
    if stage == "steps":
        return {**about, "rows": module.measure(folder)}
    if stage == "draws":
        return {**about, "rows": module.measure(args.rounds)}
    if stage == "accuracy":
        return {**about, "rows": module.measure(device, folder)}
    side, rows = MATMUL_SIDE[device.type], []
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for contest in module.contests(device, folder):
        if args.minutes and time.perf_counter() > args.begun + 60 * (args.minutes - CONTEST_MINUTES):
            print(f"  no time left for {contest.name} and what follows", flush=True)
            break
        contestants = {**contest.contestants, MATMUL: lambda: left @ right}
        if not contest.flop:
            del contestants[MATMUL]
        times = race(contestants, args.rounds, settle=torch.cuda.synchronize if device.type == "cuda" else lambda: None)
        rows += judge(contest, times, matmul_flop=2 * side**3)
        for row in rows[-len(contest.contestants) + 1 :]:
            print(f"  {row['contest']}: {row['ratio']:.2f}x ({row['low']:.2f} to {row['high']:.2f}) {row['baseline']}")
    return {**about, "rows": rows}


def _circumstances(device: torch.device, threads: int) -> dict:
    """Where, when and with what a stage was measured."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    about = {"date": datetime.date.today().isoformat(), "hardware": name, "cores": os.cpu_count(), "threads": threads}
    if device.type == "cuda":
        about["driver"] = torch._C._cuda_getDriverVersion()
    about["load"] = round(os.getloadavg()[0], 1)
    versions = provenance.versions("torch", "diffusers", "snakemake")
    return {**about, "commit": provenance.commit(), "versions": versions}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
