"""Judge the geometry of every source beside the controls: tables, figures and the report's section."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from realgap.analyses.geometry import figures as drawing
from realgap.analyses.geometry import section
from realgap.analyses.geometry import tables as judging
from realgap.geometry.vanishing import SMALLEST_PX
from realgap.report import sections, style
from realgap.run import steps
from realgap.store import shards
from realgap.store.files import whole


@dataclass(frozen=True)
class Options:
    confidence: float
    controls: dict[str, float]
    seed: int


def main() -> None:
    pair = {"nargs": 2, "metavar": ("PNG", "SVG")}
    optional = {"nargs": "*", "default": []}
    args, options = steps.parse(
        __doc__,
        Options,
        measured={"nargs": "+"},
        shadows=optional,
        overlays=optional,
        images={},
        measures={},
        cues={},
        overviews=pair | {"metavar": ("MEASURES", "CUES")},
        measures_figure=pair,
        cues_figure=pair,
        section={},
    )
    measured = shards.read_all(args.measured, "geometry")
    names, size = measured[0].attributes["measures"], measured[0].attributes["size_px"]
    sources = judging.columns(measured)
    kinds = ["structure"] if size < SMALLEST_PX else ["segments", "structure", "field"]
    images = judging.per_image(sources, names)
    measures = judging.per_source(images, names, options.seed)
    cues = judging.cues(sources, names, kinds, options.confidence, options.seed)
    tables = [images, measures, cues, *judging.overviews(measures, cues)]
    for path, table in zip([args.images, args.measures, args.cues, *args.overviews], tables, strict=True):
        with whole(path) as beside:
            table.to_csv(beside, index=False, float_format="%.6g")
    style.save(drawing.measures(images, names), *args.measures_figure)
    style.save(drawing.cues(cues), *args.cues_figure)
    shadows = pd.read_csv(args.shadows[0]) if args.shadows else None
    overlays = next((path for path in args.overlays if path.endswith(".png")), None)
    folder = Path(args.section).parents[1]
    paths = {"measures": args.overviews[0], "cues": args.overviews[1], "shadows": next(iter(args.shadows), None)}
    paths |= {"measures_figure": args.measures_figure[1], "cues_figure": args.cues_figure[1], "overlays": overlays}
    paths = {name: str(Path(path).relative_to(folder)) for name, path in paths.items() if path}
    sections.save(args.section, section.section(measures, cues, shadows, paths, size, options.controls))


if __name__ == "__main__":
    steps.run(main)
