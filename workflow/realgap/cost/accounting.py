"""What a study cost and how it was run, from the benchmark and the log that each of its jobs left."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from realgap import statistics
from realgap.run import benchmarks, job_log
from realgap.statistics.verdicts import Verdict
from realgap.study.sources import parts_of


def read_jobs(folder: str | Path, sources: Iterable[str] = (), without: Iterable[str] = ()) -> pd.DataFrame:
    """One row per benchmark of a study's folder, sorted by name, but for the rules in `without`.

    Columns: rule, item, stage, wall_s, and those of realgap.run.job_log.Job, empty where a log says nothing. Raises
    ValueError naming a benchmark that is not one.
    """
    folder = Path(folder)
    rows = []
    for path in sorted((folder / "benchmarks").rglob("*.tsv")):
        name = path.relative_to(folder / "benchmarks").with_suffix("")
        rule, item = name.parts[0], "/".join(name.parts[1:])
        if rule not in without:
            job = job_log.read(folder / "logs" / f"{name}.log")
            known = asdict(job) if job else dict.fromkeys(job_log.Job.__dataclass_fields__)
            rows.append(
                {
                    "rule": rule,
                    "item": item,
                    "stage": _stage(rule, item, set(sources)),
                    "wall_s": benchmarks.wall_s(path),
                    **known,
                }
            )
    if not rows:
        raise ValueError(f"{folder / 'benchmarks'}: must hold the benchmarks of the study's jobs, got none")
    return pd.DataFrame(rows)


def stages(jobs: pd.DataFrame, images: Mapping[str, int]) -> pd.DataFrame:
    """A row per stage in the order in which stages began: what it took, in all and per image.

    images: how many images a stage made or read. Job-seconds are wall time, summed over jobs that had a device
    (a GPU or some cores) each; the interval of seconds per image takes jobs as the unit.
    """
    rows = []
    for stage, group in jobs.groupby("stage", sort=False):
        n_images = images.get(stage, 0)
        mean, low, high = (len(group) * s for s in statistics.mean_interval(group.wall_s))
        # few jobs of unequal length may have an interval that reaches below zero, where no time is
        per_image = [value / n_images if n_images else np.nan for value in (mean, np.maximum(low, 0), high)]
        rows.append(
            {
                "stage": stage,
                "n_jobs": len(group),
                "job_seconds": group.wall_s.sum(),
                "longest_s": group.wall_s.max(),
                "cpu_s": group.cpu_s.sum(min_count=len(group)),
                "peak_memory_mb": group.peak_memory_mb.max(),
                "energy_j": group.energy_j.sum(min_count=len(group)),
                "n_images": n_images or pd.NA,
                **dict(zip(("s_per_image", "s_per_image_low", "s_per_image_high"), per_image, strict=True)),
                "began": group.start.dropna().min() if group.start.notna().any() else "",
            }
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values("began", kind="stable", ignore_index=True).drop(columns="began")


def accuracy_points(
    verdicts: pd.DataFrame, jobs: pd.DataFrame, stages: Mapping[str, Sequence[str]], chance: float
) -> pd.DataFrame:
    """A row per training set: what its images and a classifier took, and that per point of accuracy.

    verdicts: realgap.report.tables.verdicts. stages: source -> the stages that its images went through.
    chance: accuracy of guessing, a fraction. Seconds per point above chance hold
    images and training, with the bounds that the accuracy's interval gives; seconds per point gained over real
    images hold the generated images alone, and stand only for training sets that are better than real.
    """
    seconds = jobs.groupby("stage").wall_s.sum()
    training = jobs[jobs.rule == "train"]
    rows = []
    for row in verdicts.itertuples():
        needed = sorted({stage for part in parts_of(row.training_set) for stage in stages.get(part, ())})
        generation_s = float(sum(seconds.get(stage, np.nan) for stage in needed))
        mine = training[training["item"].str.startswith(f"{row.training_set}-")].wall_s
        training_s = mine.mean() if len(mine) else np.nan
        above, above_low, above_high = (
            100 * (value - chance) for value in (row.accuracy_mean, row.accuracy_low, row.accuracy_high)
        )
        spent = generation_s + training_s
        gained = 100 * row.difference_to_real if row.verdict == Verdict.BETTER else np.nan
        rows.append(
            {
                "training_set": row.training_set,
                "generation_s": generation_s,
                "training_s": training_s,
                "n_classifiers": len(mine),
                "points_above_chance": above,
                "s_per_point": _quotient(spent, above),
                "s_per_point_low": _quotient(spent, above_high),
                "s_per_point_high": _quotient(spent, above_low),
                "s_per_point_gained": _quotient(generation_s, gained),
                "s_per_point_gained_low": _quotient(generation_s, 100 * row.difference_high if gained > 0 else np.nan),
                "s_per_point_gained_high": _quotient(generation_s, 100 * row.difference_low if gained > 0 else np.nan),
            }
        )
    return pd.DataFrame(rows)


def machines(jobs: pd.DataFrame) -> pd.DataFrame:
    """A row per kind of machine: processor, device, how many hosts and jobs, job-seconds. Empty if no log tells."""
    known = jobs[jobs.host.notna()]
    grouped = known.groupby(["processor", "device"])
    frame = grouped.agg(n_hosts=("host", "nunique"), n_jobs=("host", "size"), job_seconds=("wall_s", "sum"))
    return frame.reset_index()


def _stage(rule: str, item: str, sources: Set[str]) -> str:
    """A rule that serves several sources is a stage for each: its items are called <source>-<class>-<shard>."""
    source = item.split("-")[0]
    return f"{rule} {source}" if source in sources and rule.endswith("_shard") else rule


def _quotient(cost: float, points: float) -> float:
    """Undefined where there is no gain to divide by."""
    return cost / points if points > 0 else np.nan
