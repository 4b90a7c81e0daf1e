"""Write the report: one self-contained page whose sentences are made from the numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from realgap.report import pages, sections
from realgap.run import steps
from realgap.store.files import whole


@dataclass(frozen=True)
class Options:
    config: dict[str, Any]
    n_classes: int


def main() -> None:
    files, many = {"verdicts": {}, "pairs": {}, "metrics": {}, "accuracies": {}}, {"nargs": "*"}
    args, options = steps.parse(
        __doc__, Options, **files, figures=many, gallery=many, sections=many, template={}, out={}
    )
    page = pages.render(
        args.template,
        verdicts=pd.read_csv(args.verdicts),
        pairs=pd.read_csv(args.pairs),
        metrics=pd.read_csv(args.metrics),
        seeds=pd.read_csv(args.accuracies).seed.unique().tolist(),
        figures={Path(path).stem: path for path in args.figures},
        gallery=dict(zip(options.config["dataset"]["classes"], args.gallery, strict=False)),
        analyses=[sections.load(path) for path in args.sections],
        folder=Path(args.out).parent,
        config=options.config,
        n_classes=options.n_classes,
    )
    with whole(args.out) as beside:
        beside.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    steps.run(main)
