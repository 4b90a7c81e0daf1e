"""A study in miniature with a base model of the user's: two classes of two digits at 128 px, five rows, two seeds."""

import shutil
from pathlib import Path

import yaml

from realgap.run import job_log
from tests import checkout

STUDY = {
    "study": "tried",
    "dataset": {
        "classes": ["zero", "one"],
        "images_per_class": 2,
        "images_per_shard": 2,
        "test_images_per_class": 10,
    },
    "inversion": {"steps_per_image": 4, "batch_size": 2},
    "sources": {
        "stable_diffusion": {"num_inference_steps": 2, "guidance_scale": 2.0},
        "diffusion_inversion": {"num_inference_steps": 2, "guidance_scale": 2.0},
    },
    "sampling": {"samples_per_image": 1, "batch_size": 2},
    "training_sets": ["real", "vae_only", "stable_diffusion", "diffusion_inversion", "real+diffusion_inversion"],
    "classifier": {"steps": 3, "batch_size": 4},
    "seeds": [0, 1],
    "analyses": ["saliency", "fidelity", "detection", "memorisation", "errors"],
    "saliency": {"images_per_class": 2},
    "fidelity": {"neighbours": 1, "resamples": 20, "subsets": 2},
    "detection": {"steps": 2, "folds": 2},
    "memorisation": {"resamples": 20, "pairs": 1},
    "compute": {"device": "cpu", "precision": "fp32"},
}
RESULTS = Path("results/tried")


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


def memory(folder: Path) -> dict[str, tuple[float, int]]:
    """Of every step of the finished study that a cluster runs, MB: the most that a job held, what the step asks for."""
    asked = {
        step: round(1000 * memory_gb)
        for steps, *_, memory_gb, _ in checkout.requests(folder, "study.yaml", "--forceall")
        for step in steps.split(" + ")
    }
    held = {}
    for log in (folder / RESULTS / "logs").rglob("*.log"):
        step = log.relative_to(folder / RESULTS / "logs").parts[0].removesuffix(".log")
        if job := job_log.read(log):
            held[step] = max(held.get(step, 0.0), job.peak_memory_mb)
    return {step: (held[step], asked[step]) for step in held.keys() & asked.keys()}


def discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
