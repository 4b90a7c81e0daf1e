"""Write the report: one self-contained page whose sentences are made from the numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from realgap import provenance, reporting, sections, steps
from realgap.files import whole


@dataclass(frozen=True)
class Options:
    config: dict[str, Any]


def main() -> None:
    args, options = steps.parse(
        __doc__,
        Options,
        table={},
        accuracies={},
        accuracy={},
        samples={},
        sections={"nargs": "*"},
        template={},
        out={},
    )
    page = reporting.render(
        args.template,
        table=pd.read_csv(args.table),
        accuracies=pd.read_csv(args.accuracies),
        figures={"accuracy": args.accuracy, "samples": args.samples},
        analyses=[sections.load(path) for path in args.sections],
        folder=Path(args.out).parent,
        config=options.config,
        versions=provenance.versions("torch", "torchvision", "diffusers", "snakemake", "numpy"),
    )
    with whole(args.out) as beside:
        beside.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    steps.run(main)
