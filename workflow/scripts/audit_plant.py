"""Plant rows in a release made for it, guess which were in, and say which epsilon that proves."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from realgap import devices
from realgap.analyses.audit import measures
from realgap.privacy import accounting, mechanism
from realgap.report import tables
from realgap.run import steps
from scripts import privacy_release as release


@dataclass(frozen=True)
class Options:
    source: str
    seed: int
    canaries: int  # in all classes
    confidence: float  # of the epsilon that is proven
    mechanism: dict[str, Any]  # of scripts.privacy_release


def main() -> None:
    several = {"nargs": "+"}
    files = {"embeddings": several, "basis": {"nargs": "*", "default": []}, "base_model": steps.BASE_MODEL}
    args, options = steps.parse(__doc__, Options, **files, templates={}, out={})
    settings = release.Options(**options.mechanism)
    inputs, weight = release.gathered(args, settings, devices.pick(settings)), release.weight_of(settings.spread)
    multiplier = 0.0 if settings.epsilon is None else accounting.multiplier(settings.epsilon, settings.delta)

    def noised_sum(rows: np.ndarray, draws: np.random.Generator) -> np.ndarray:
        directions = rows.shape[1] if inputs.basis is None else len(inputs.basis)
        normal = draws.standard_normal(mechanism.numbers(directions, weight))
        how = {"clip": settings.clip, "multiplier": multiplier, "neighbours": settings.neighbours, "count": 1}
        return mechanism.released(rows, normal, **how, basis=inputs.basis, weight=weight).mean

    rows = -(-options.canaries // len(settings.classes))
    scores, member = zip(
        *(
            measures.planted(
                differences,
                noised_sum,
                clip=settings.clip,
                noise=multiplier * mechanism.sensitivity(1.0, settings.neighbours, weight),
                rows=rows,
                basis=inputs.basis,
                draws=measures.coins(options.seed, options.source, name),
            )
            for name, differences in inputs.differences.items()
        ),
        strict=True,
    )
    found = measures.proven(np.concatenate(scores), np.concatenate(member), settings.delta, options.confidence)
    claimed = {"source": options.source, "epsilon": settings.epsilon, "delta": settings.delta}
    tables.save(args.out, pd.DataFrame([{**claimed, "neighbours": settings.neighbours, **_said(found)}]))


def _said(found: measures.Planted) -> dict[str, float]:
    return {"right": found.right, "guesses": found.guesses, "rows": found.rows, "proven_epsilon": found.epsilon}


if __name__ == "__main__":
    steps.run(main)
