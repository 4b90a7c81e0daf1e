"""Each step by itself, in an interpreter of its own as on a cluster: what it takes to start, and whether memory grows.

A small study runs twice, with few images in a shard and with ten times as many. With few, a step's CPU time is that of
its imports and of what it loads; a peak of memory that grows with ten times the images is that of the shard.
"""

import sys
from pathlib import Path

import yaml

from realgap.cost import accounting
from tests import checkout
from tests.benchmarks.harness import timed

IMPORTS = ("pass", "import numpy", "import torch", "import torch, torchvision", "import torch, diffusers.models")
FEW, MANY = 12, 120  # images in a shard of real ones, and a tenth of those in one of generated ones
STUDY = {
    **checkout.REDUCED,
    "seeds": [0],
    "compute": {"precision": "auto"},
    "sampling": {**checkout.REDUCED["sampling"], "samples_per_image": 10},
    "analyses": ["saliency", "fidelity", "geometry"],
}
# the server that steps of a local run are forked from is for runs that deploy nothing
PLAINLY = ("--software-deployment-method", "env-modules")


def measure(folder: Path) -> list[dict]:
    """Rows of imports (CPU seconds), then of steps in the order they ran (CPU seconds and peaks in MB)."""
    rows = []
    for code in IMPORTS:
        cpu_s = min(timed([sys.executable, "-c", code])[1] for _ in range(3))
        rows.append({"import": code, "cpu_s": round(cpu_s, 2)})
    few, many = (_peaks(folder / str(images), images) for images in (FEW, MANY))
    for rule, used in few.items():
        grown = many[rule]["peak_memory_mb"]
        rows.append({"step": rule, "cpu_s": used["cpu_s"], "few_mb": used["peak_memory_mb"], "many_mb": grown})
        print(" ", rows[-1], flush=True)
    return rows


def _peaks(folder: Path, images: int) -> dict[str, dict[str, float]]:
    """By rule of a study of so many images a class in one shard: median CPU seconds and the highest peak."""
    checkout.copy(folder)
    sizes = {"classes": ["zero", "one"], "images_per_class": images, "images_per_shard": images}
    (folder / "study.yaml").write_text(yaml.safe_dump({**STUDY, "dataset": sizes}))
    done = checkout.snakemake(folder, "--cores", "1", *PLAINLY)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    jobs = accounting.read_jobs(folder / "results/reduced")
    ran = jobs.dropna(subset="cpu_s").sort_values("start").groupby("stage", sort=False)
    return ran.agg({"cpu_s": "median", "peak_memory_mb": "max"}).round(2).to_dict("index")
