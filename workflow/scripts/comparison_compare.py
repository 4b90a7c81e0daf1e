"""Compare finished studies: their tables on one page, and as one CSV."""

from dataclasses import dataclass
from pathlib import Path

from realgap.report import comparison, figures, style
from realgap.run import steps
from realgap.store.files import whole


@dataclass(frozen=True)
class Options:
    studies: list[str]
    digests: list[str]  # of what is compared; it is no input, so that comparing runs no study again


def main() -> None:
    args, options = steps.parse(__doc__, Options, template={}, table={}, figure={"nargs": 2}, page={})
    if len(options.studies) < 2:
        raise ValueError(
            "config: studies: must name two finished studies or more (snakemake compare --config studies='[a,b]'), "
            f"got {options.studies}"
        )
    results = Path(args.page).parents[2]  # results/comparisons/<studies>/report.html
    folders = {study: results / study for study in options.studies}
    joined = comparison.join(folders)
    with whole(args.table) as beside:
        joined.to_csv(beside, index=False, float_format="%.6f")
    style.save(figures.comparison(joined), *args.figure)
    page = comparison.render(args.template, joined, args.figure[1], folders)
    with whole(args.page) as beside:
        beside.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    steps.run(main)
