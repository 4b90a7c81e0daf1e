"""Say how far a study is: of the run that is going on, wherever it is; else of what is there."""

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realgap.cluster import slurm
from realgap.run import progress, steps, takeover
from scripts import cost_plan


@dataclass(frozen=True)
class Options:
    config: dict[str, Any]


def main() -> None:
    args, options = steps.parse(__doc__, Options, folder={})
    state = progress.read(args.folder)
    card = Path(args.folder) / progress.NAME
    if state is not None and not state.over and takeover.lives(card, asdict(state)):
        lines = [*progress.of_living(state), *_queue(state.run)]
    else:
        rows = cost_plan.counted(options.config)
        lines = progress.of_files(options.config["study"], {row["rule"]: (row["jobs"], row["left"]) for row in rows})
        lines += [] if state is None else progress.of_ended(state)
    print("\n".join(lines))


def _queue(run: str) -> Iterable[str]:
    """What SLURM says of the run's jobs."""
    if run and shutil.which("squeue"):
        said = slurm.ask("squeue", "--noheader", f"--name={run}", "--format=%T|%r")
        yield f"in SLURM's queue: {progress.queued(said.splitlines())} (squeue --name={run})"


if __name__ == "__main__":
    steps.run(main)
