"""Verify every finished artefact of a study: checksum, options, and that it was made of its neighbours."""

import json
import sys
from pathlib import Path

from realgap.run import steps, verification


def main() -> None:
    args, _ = steps.parse(__doc__, plan={"type": Path})
    plan = json.loads(args.plan.read_text())
    graph = {name: verification.Made(**made) for name, made in plan["graph"].items()}
    study = verification.Study(plan["folder"], graph)
    damaged = 0
    for problem in study.problems():
        print(problem, flush=True)
        damaged += 1
    print(f"{plan['folder']}: {len(study.finished)} of {len(study.graph)} artefacts are finished, {damaged} damaged")
    sys.exit(min(damaged, 1))


if __name__ == "__main__":
    steps.run(main)
