"""A study in miniature with a base model of the user's: two classes of two digits at 128 px, every row, two seeds."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from realgap import jobs
from tests import checkout

STUDY = {
    "study": "tried",
    "dataset": {
        "classes": ["zero", "one"],
        "images_per_class": 2,
        "images_per_shard": 2,
        "test_images_per_class": 10,
    },
    "inversion": {"visits": 4, "batch_size": 2},
    "sampling": {
        "variants": 1,
        "batch_size": 2,
        "stable_diffusion": {"num_inference_steps": 2, "guidance_scale": 2.0},
        "diffusion_inversion": {"num_inference_steps": 2, "guidance_scale": 2.0},
    },
    "classifier": {"steps": 3, "batch_size": 4},
    "seeds": [0, 1],
    "analyses": ["attention", "fidelity", "detection", "memorisation", "mistakes"],
    "attention": {"images_per_class": 2},
    "fidelity": {"neighbours": 1, "resamples": 20, "subsets": 2},
    "detection": {"steps": 2, "folds": 2, "resamples": 20},
    "memorisation": {"resamples": 20, "pairs": 1},
    "geometry": {"images_per_class": 0},
    "compute": {"device": "cpu", "precision": "fp32"},
}
RESULTS = Path("results/tried")


@dataclass(frozen=True)
class Memory:
    """Of one job, MB: what its rule asks for, and the most that it held."""

    rule: str
    asked: int
    held: float


def prepare(folder: Path, model: Path, **base_model: object) -> Path:
    """A checkout in `folder` with the study of a base model; further keys of base_model may be given."""
    checkout.copy(folder)
    settings = {"path": str(model), "hub": None, "revision": None, "resolution": 128, **base_model}
    (folder / "study.yaml").write_text(yaml.safe_dump({**STUDY, "base_model": settings}))
    return folder


def run(folder: Path, target: str = "table", *arguments: str) -> Path:
    """Run it; returns where its results are."""
    ended = checkout.snakemake(folder, *arguments, target=target)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-5000:]
    return folder / RESULTS


def memory(folder: Path) -> list[Memory]:
    """Of every job of the finished study that says how much it held."""
    asked = _asked(checkout.snakemake(folder, "-n", "--forceall", "--profile", "slurm").stdout)
    found = []
    for log in sorted((folder / RESULTS / "logs").rglob("*.log")):
        rule = log.relative_to(folder / RESULTS / "logs").parts[0].removesuffix(".log")
        if job := jobs.read(log):
            found.append(Memory(rule, asked[rule], job.peak_memory_mb))
    return found


def _asked(said: str) -> dict[str, int]:
    """MB for each rule, from the table of what a cluster is asked for."""
    rows = re.findall(r"^(\w+(?: \+ \w+)*) .* ([\d.]+) GB ", said.partition("What SLURM is asked for:")[2], re.M)
    return {rule: round(1000 * float(gb)) for rules, gb in rows for rule in rules.split(" + ")}
