"""Print what a study will cost before it is started: jobs, images, PFLOP, hours on a device, disk, by rule."""

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realgap.cost import bill, plan
from realgap.run import steps

# of Snakemake's list: its sums
NO_STEPS = ("all", "total")


@dataclass(frozen=True)
class Options:
    config: dict[str, Any]


def main() -> None:
    args, options = steps.parse(__doc__, Options, benchmarks={})
    config = options.config
    work = plan.Plan(config).study()
    jobs, left = _jobs(config, "--forceall"), _jobs(config)
    rows = [
        bill.Row(rule, count, left.get(rule, 0), work.get(rule), bill.measured(Path(args.benchmarks) / rule))
        for rule, count in jobs.items()
        if rule not in NO_STEPS
    ]
    print(bill.table(rows, **config["plan"]))


def _jobs(config: dict[str, Any], *arguments: str) -> dict[str, int]:
    """Jobs of each rule, counted by Snakemake itself."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", file.name, *arguments]
        run = subprocess.run([*command, "--", "all"], capture_output=True, text=True)
    if run.returncode:
        raise ValueError(f"the study can not be planned: {run.stdout.strip()[-500:]}")
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE)}


if __name__ == "__main__":
    steps.run(main)
