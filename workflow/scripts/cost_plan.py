"""Print what a study will cost before it is started: jobs, images, PFLOP, hours on a device, disk, by rule."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realgap.cost import plan, plan_table
from realgap.run import benchmarks, steps


@dataclass(frozen=True)
class Options:
    config: dict[str, Any]


def main() -> None:
    args, options = steps.parse(__doc__, Options, benchmarks={})
    rows = [
        plan_table.Row(
            one["rule"],
            one["jobs"],
            one["left"],
            plan.Work(**one["work"]) if one["work"] else None,
            benchmarks.of_rule(args.benchmarks, one["rule"]),
        )
        for one in counted(options.config)
    ]
    print(plan_table.table(rows, **options.config["plan"]))


def counted(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Jobs and work of each rule, counted by Snakemake itself in its own graph (workflow/rules/run.smk)."""
    with tempfile.TemporaryDirectory() as folder:
        given, counted = Path(folder) / "config.json", Path(folder) / "counted.json"
        given.write_text(json.dumps(config))
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", str(given), "--", "all"]
        environment = {**os.environ, "REALGAP_COUNT": str(counted)}
        run = subprocess.run(command, capture_output=True, text=True, env=environment)
        if run.returncode or not counted.exists():
            raise ValueError(f"the study can not be planned: {run.stdout.strip()[-500:]}")
        found = json.loads(counted.read_text())
    if found["unknown"]:
        raise ValueError(
            f"rule {found['unknown'][0]}: its work must be declared beside it: counts(...) in workflow/rules"
        )
    return found["rows"]


if __name__ == "__main__":
    steps.run(main)
