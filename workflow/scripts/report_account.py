"""Account for a study: what each stage took, what a point of accuracy costs, and what was run where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from realgap.cost import accounting
from realgap.data import images as imaging
from realgap.data import repeats
from realgap.report import between, cost_and_run, figures, metrics, sections, style
from realgap.run import steps
from realgap.store import files, shards
from realgap.store.files import sha256, whole

AFTER_ALL = ("account", "report")


@dataclass(frozen=True)
class Options:
    stages: dict[str, list[str]]  # source -> what its images went through
    images: dict[str, int]  # stage -> images it made or read
    settings: list[list[Any]]  # key, default, here
    config: dict[str, Any]  # every setting
    seed: int
    seeds: list[int]


def main() -> None:
    many = {"nargs": "+"}
    inputs = {"tables": many, "verdicts": {}, "metrics": {}, "shards": many}
    args, options = steps.parse(__doc__, Options, **inputs, figure={"nargs": 2})
    folder, verdicts = Path(args.verdicts).parent, pd.read_csv(args.verdicts)
    jobs = accounting.read_jobs(folder, options.stages, AFTER_ALL)
    stages = accounting.stages(jobs, options.images)
    chance = metrics.guessing(pd.read_csv(args.metrics))
    points = accounting.accuracy_points(verdicts, jobs, options.stages, chance)
    written = {
        cost_and_run.STAGES.path: stages.assign(stage=stages.stage.map(cost_and_run.readable)),
        cost_and_run.POINTS.path: points,
        "run/jobs.csv": jobs,
        cost_and_run.MACHINES.path: accounting.machines(jobs),
        cost_and_run.SETTINGS.path: cost_and_run.settings_frame(options.settings),
        cost_and_run.CHECKSUMS.path: _checksums(folder, args.tables, args.shards),
    }
    for path, frame in written.items():
        with whole(folder / path) as beside:
            frame.to_csv(beside, index=False, float_format="%.6g")
    config = yaml.safe_dump(options.config, sort_keys=False, allow_unicode=True)
    files.write(folder / between.CONFIG, config.encode())
    style.save(figures.cost(stages.stage.map(cost_and_run.readable), stages.job_seconds), *args.figure)
    sections.save(folder / "sections/cost.json", cost_and_run.cost(stages, points))
    about = jobs, options.settings, options.seed, options.seeds, _said_of_images(folder / "test.h5")
    sections.save(folder / "sections/run.json", cost_and_run.run(*about))


def _said_of_images(test: Path) -> list[str]:
    """Of a user's own test images which show the same pixels as others, or nearly, and how all were read."""
    shard = shards.read(test, "images")
    made = shard.attributes
    said = [repeats.sentence(made["repeats"], made["options"]["keep_repeats"])] if "repeats" in made else []
    return said + (imaging.said(made["looks"], len(shard), made["options"]) if "looks" in made else [])


def _checksums(folder: Path, tables: list[str], shard_paths: list[str]) -> pd.DataFrame:
    digests = {path: sha256(path) for path in tables} | {path: shards.checksum(path) for path in shard_paths}
    rows = [(str(Path(path).relative_to(folder)), digest) for path, digest in digests.items()]
    return pd.DataFrame(rows, columns=["file", "sha256"])


if __name__ == "__main__":
    steps.run(main)
