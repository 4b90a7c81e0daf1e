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
    for problem in study.problems():
        print(problem, flush=True)
    counted = f"{len(study.finished)} of {len(study.graph)} artefacts are finished, {len(study.damaged)} damaged"
    unread = f", {len(study.unread)} could not be read" if study.unread else ""
    print(f"{plan['folder']}: {counted}{unread}")
    sys.exit(bool(study.damaged or study.unread))


if __name__ == "__main__":
    steps.run(main)
