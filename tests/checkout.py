"""A copy of the checkout to run Snakemake in, and what a dry run says would be run there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

from realgap import analyses

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "envs", "config.yaml", "resources", "profiles", "slurm")

# the default study in miniature: every rule, two shards a class, a minute on two cores
REDUCED = {
    "study": "reduced",
    "dataset": {"classes": ["zero", "one"], "images_per_class": 4, "images_per_shard": 2},
    "inversion": {"steps_per_image": 6},
    "sampling": {"samples_per_image": 2},
    "sources": {"stable_diffusion": {"num_inference_steps": 2}, "diffusion_inversion": {"num_inference_steps": 2}},
    "training_sets": [
        *("real", "vae_only", "stable_diffusion", "diffusion_inversion"),
        *("real+stable_diffusion", "real+diffusion_inversion"),
    ],
    "classifier": {"steps": 3, "batch_size": 8},
    "seeds": [0, 1],
    # learning curves train 36 more classifiers (tests/workflow/test_learning_curves.py); selections: test_sources.py;
    # audits of releases: test_privacy.py
    "analyses": [name for name in analyses.ORDER if name not in ("learning_curves", "selection", "audit")],
    "pilot": {"images_per_class": 2},
    "saliency": {"images_per_class": 4},
    "fidelity": {"neighbours": 3, "resamples": 20, "subsets": 2},
    "detection": {"steps": 2, "folds": 2},
    "memorisation": {"resamples": 20, "pairs": 2},
    "learning_curves": {"real_counts": [2, 3], "draws": 3},
    "scaling": {"multiples": [1]},
    # not the processor's: in bf16 embeddings that differ by 1e-5 move a pixel in 400 by more than one grey level
    "compute": {"precision": "fp32"},
    "transfer": {"frozen_stages": [0, 4], "fractions": [1.0, 0.5], "steps": 2},
}


def copy(folder: Path) -> Path:
    """Copy what a checkout holds to `folder`, the reduced study as study.yaml beside it."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "site.yaml"))
        else:
            shutil.copy2(source, folder / part)
    (folder / "study.yaml").write_text(yaml.safe_dump(REDUCED))
    return folder


def with_git(folder: Path) -> Path:
    """Commit all that a copy holds, so that `git(folder, "status", "--porcelain")` says what has changed."""
    shutil.copy2(ROOT / ".gitignore", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "all")
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def snakemake(
    folder: Path, *arguments: str, target: str = "all", study: str = "study.yaml"
) -> subprocess.CompletedProcess:
    """Run Snakemake as a user would from `folder`, with this interpreter's environment."""
    command = ["snakemake", "--configfile", study, *arguments, "--", target]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def environment() -> dict[str, str]:
    """This interpreter's environment, as `envs/run` would set it."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def changed(folder: Path, **sections: object) -> str:
    """Write a study file that differs from the reduced one in some sections; returns its name."""
    study = {**REDUCED}
    for section, value in sections.items():
        study[section] = _merge(study.get(section), value)
    (folder / "changed.yaml").write_text(yaml.safe_dump(study))
    return "changed.yaml"


def plan(folder: Path, study: str = "study.yaml", target: str = "all") -> Counter[tuple[str, str]]:
    """What would be run: (rule, what of it), e.g. ("sample_shard", "diffusion_inversion-zero-0")."""
    run = snakemake(folder, "-n", "--printshellcmds", target=target, study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    logs = re.findall(r"> \S+/logs/(\S+)\.log 2>&1", run.stdout)
    jobs = Counter()
    for log in logs:
        rule, _, item = log.partition("/")
        jobs[rule, item] += 1
    return jobs


def counted(folder: Path, study: str = "study.yaml") -> dict:
    """What `snakemake plan` counts of a study: rows, by rule, and the names of rules whose work is not known."""
    count = folder / "counted.json"
    command = ["snakemake", "-n", "--quiet", "rules", "--configfile", study, "--", "all"]
    given = {**environment(), "REALGAP_COUNT": str(count)}
    run = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(count.read_text())
    return {"unknown": found["unknown"], "rows": {row["rule"]: row for row in found["rows"]}}


def requests(folder: Path, study: str = "study.yaml", *arguments: str) -> list[tuple]:
    """The cluster profile's table: (steps, jobs, entries, partition, GPUs, CPUs, memory in GB, minutes)."""
    run = snakemake(folder, "--profile", "slurm", "-n", *arguments, study=study)
    assert run.returncode == 0, run.stdout + run.stderr
    rows = re.findall(
        r"^(\w[\w +]*?) +(\d+) +(\d+) +(\w+) +(\S+) +(\d+) +([\d.]+) GB +(\d+):(\d\d)$",
        run.stdout.partition("What SLURM is asked for:")[2],
        re.MULTILINE,
    )
    return [
        (steps, int(jobs), int(entries), partition, gpus, int(cpus), float(memory), 60 * int(hours) + int(minutes))
        for steps, jobs, entries, partition, gpus, cpus, memory, hours, minutes in rows
    ]


def rules(jobs: Counter[tuple[str, str]]) -> dict[str, int]:
    """Jobs per rule of a plan."""
    return dict(Counter(rule for rule, _ in jobs))


def _merge(old: object, new: object) -> object:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merge(old.get(key), value) for key, value in new.items()}}
    return new
