"""The two sections that every report ends with: what the study cost, and what was run."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from realgap.report.sections import Figure, Section, Table
from realgap.report.style import name
from realgap.report.wording import duration

STAGES = Table(
    path="cost/stages.csv",
    caption="What each stage took. Job-seconds: wall time, summed over jobs; a job has one device (a GPU or its "
    "processor cores) to itself. Seconds per image: with a 95 % interval over jobs.",
    columns={
        "stage": "Stage",
        "n_jobs": "Jobs",
        "job_seconds": "Job-seconds",
        "longest_s": "Longest job, s",
        "cpu_s": "Processor-seconds",
        "peak_memory_mb": "Peak memory, MB",
        "energy_j": "Energy, J",
        "n_images": "Images",
        "s_per_image": "Seconds per image",
    },
    intervals={"s_per_image": ("s_per_image_low", "s_per_image_high")},
)
POINTS = Table(
    path="cost/points.csv",
    caption="What accuracy costs. Seconds per point above guessing count the generation of the images and the training "
    "of one classifier. Seconds per point gained over real count the generation alone, for training sets that gain. "
    "The bounds come from the 95 % intervals of the accuracy and of the gain.",
    columns={
        "training_set": "Training set",
        "generation_s": "Generating its images, s",
        "training_s": "Training a classifier, s",
        "n_classifiers": "Classifiers",
        "points_above_chance": "Points above guessing",
        "s_per_point": "Seconds per point above guessing",
        "s_per_point_gained": "Seconds per point gained over real",
    },
    intervals={
        "s_per_point": ("s_per_point_low", "s_per_point_high"),
        "s_per_point_gained": ("s_per_point_gained_low", "s_per_point_gained_high"),
    },
)
COSTS = Figure(
    path="figures/cost.svg",
    caption="Job-seconds of each stage, in the order in which stages began.",
    alt="A bar for each stage; the numbers are those of the table of stages.",
)
MACHINES = Table(
    path="run/machines.csv",
    caption="Where the jobs ran, by their logs.",
    columns={
        "processor": "Processor",
        "device": "Computed on",
        "n_hosts": "Hosts",
        "n_jobs": "Jobs",
        "job_seconds": "Job-seconds",
    },
)
SETTINGS = Table(
    path="run/settings.csv",
    caption="Settings that differ from the default study's.",
    columns={"key": "Setting", "default": "Default", "here": "This study"},
)
CHECKSUMS = Table(
    path="run/checksums.csv",
    caption="SHA-256 of what the numbers rest on. For a training set it covers the checksums of all shards. For a "
    "table it is that of the file.",
    columns={"file": "File", "sha256": "SHA-256"},
)


def cost(stages: pd.DataFrame, points: pd.DataFrame) -> Section:
    """The section on cost: stages as of realgap.cost.accounting.stages, points as of accuracy_points."""
    total, dearest = stages.job_seconds.sum(), stages.loc[stages.job_seconds.idxmax()]
    sentences = [
        f"All stages took {duration(total)} of work in {stages.n_jobs.sum():,} jobs. The largest stage is "
        f"{readable(dearest.stage)}: {dearest.n_jobs:,} jobs, {100 * dearest.job_seconds / total:.0f} % of the work."
    ]
    sentences += [_priced(row) for row in points[points.s_per_point_gained.notna()].to_dict("records")]
    if points.s_per_point_gained.isna().all():
        sentences.append("No training set is shown to be better than real, so no gained point has a price.")
    energy = stages.energy_j.sum(min_count=1)
    if pd.notna(energy):
        sentences.append(f"The GPUs used {energy / 3.6e6:.3g} kWh in the stages for which it is known.")
    else:
        sentences.append("No device counted its energy.")
    columns = {key: heading for key, heading in STAGES.columns.items() if key != "energy_j" or pd.notna(energy)}
    tables = [Table(STAGES.path, STAGES.caption, columns, STAGES.intervals), POINTS]
    return Section(
        "cost", "What it cost", sentences, tables, [COSTS], ["Jobs that ran side by side each count in full."]
    )


def run(
    jobs: pd.DataFrame,
    settings: Sequence[tuple[str, Any, Any]],
    seed: int,
    seeds: Sequence[int],
    images: Sequence[str] = (),
) -> Section:
    """The section on what was run: jobs as of realgap.cost.accounting.read_jobs, settings as of config.differences.

    images: what is to be said of the real images.
    """
    known = jobs[jobs.host.notna()]
    sentences, notes = [], []
    if len(known):
        sentences.append(
            f"{len(known):,} jobs ran code of {_counted('commit', known.commit)}. The first began at "
            f"{_clock(known.start.min())}, the last ended at {_clock(known.end.max())}."
        )
        versions = pd.Series([", ".join(f"{key} {value}" for key, value in one.items()) for one in known.versions])
        sentences.append(f"Versions: {'; or '.join(dict.fromkeys(versions))}.")
    if len(known) < len(jobs):
        notes.append(f"The logs of {len(jobs) - len(known):,} of {len(jobs):,} jobs do not say where they ran.")
    sentences.append(f"Seed of images and embeddings: {seed}. Seeds of classifiers: {', '.join(map(str, seeds))}.")
    sentences += images
    if not settings:
        sentences.append("All settings are those of the default study.")
    tables = [*([MACHINES] if len(known) else []), *([SETTINGS] if settings else []), CHECKSUMS]
    return Section("run", "What was run", sentences, tables, notes=notes)


def settings_frame(settings: Sequence[tuple[str, Any, Any]]) -> pd.DataFrame:
    """Differences of two configs as a table; values as JSON, nothing where there is none."""
    rows = [(key, *(json.dumps(value, ensure_ascii=False) for value in values)) for key, *values in settings]
    return pd.DataFrame(rows, columns=["key", "default", "here"])


def readable(stage: str) -> str:
    """A stage's name for readers: "sample_shard diffusion_inversion" -> "sample shard: Diffusion Inversion"."""
    rule, _, source = stage.partition(" ")
    return rule.replace("_", " ") + (f": {name(source)}" if source else "")


def _priced(row: dict[str, Any]) -> str:
    return (
        f"Each point that {name(row['training_set'])} gained over real images took "
        f"{duration(row['s_per_point_gained'])} of generating (by the 95 % interval of the gain: "
        f"{duration(row['s_per_point_gained_low'])} to {duration(row['s_per_point_gained_high'])})."
    )


def _clock(time: str) -> str:
    """ISO 8601 in UTC for readers: 2026-11-24 22:00:00 UTC."""
    return time.replace("T", " ").replace("+00:00", " UTC")


def _counted(what: str, values: pd.Series) -> str:
    """ "commit a" or "commits a (12 jobs), b (3 jobs)"."""
    counts = values.value_counts()
    if len(counts) == 1:
        return f"{what} {counts.index[0]}"
    return f"{what}s " + ", ".join(f"{value} ({n:,} jobs)" for value, n in counts.items())
