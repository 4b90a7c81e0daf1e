"""Attack each row by its reference runs and set what is found beside what is claimed: tables, figures, section."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap.analyses.audit import figures as drawing
from realgap.analyses.audit import measures
from realgap.analyses.audit import section as analysis
from realgap.report import sections, style, tables
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    margin: float  # points
    epsilons: dict[str, float | None]  # of each released row


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    files = {"runs": {"nargs": "+"}, "planted": {"nargs": "+"}, "verdicts": {}}
    outputs = {"attacks": {}, "claims": {}, "roc": pair, "accuracy": pair, "section": {}}
    args, options = steps.parse(__doc__, Options, **files, **outputs)
    of_row: dict[str, list[shards.Shard]] = {}
    for path in args.runs:
        one = shards.read(path, "predictions")
        of_row.setdefault(one.attributes["training_set"], []).append(one)
    naming.joint({row: runs[0].attributes for row, runs in of_row.items()})
    found = {row: _attacked(sorted(runs, key=lambda run: run.attributes["run"])) for row, runs in of_row.items()}
    attacked = analysis.attacks(found, len(next(iter(of_row.values()))))
    claimed = analysis.claims(analysis.planted(args.planted), pd.read_csv(args.verdicts))
    tables.save(args.attacks, attacked)
    tables.save(args.claims, claimed)
    style.save(drawing.roc({row: own["LiRA"] for row, own in found.items()}), *args.roc)
    style.save(drawing.accuracy(pd.read_csv(args.verdicts), options.epsilons), *args.accuracy)
    sections.save(args.section, analysis.section(attacked, claimed, options.margin / 100))


def _attacked(runs: list[shards.Shard]) -> dict[str, measures.Attack]:
    tested = runs[0].attributes["tested"]
    said = np.stack([measures.confidence(run["logits"], run["labels"]) for run in runs])
    ids = runs[0]["image_ids"][:-tested]
    member = np.stack([np.isin(ids, run.attributes["members"]) for run in runs])
    return measures.attacks(said[:, :-tested], member, said[:, -tested:])


if __name__ == "__main__":
    steps.run(main)
