"""Judge whether the annotated shadows of each image agree on one light."""

from dataclasses import dataclass

from realgap.analyses.geometry import shadows
from realgap.run import steps
from realgap.store.files import whole


@dataclass(frozen=True)
class Options:
    tolerance_deg: float


def main() -> None:
    args, options = steps.parse(__doc__, Options, pairs={}, verdicts={}, table={})
    judged = shadows.judged(args.pairs, options.tolerance_deg)
    for path, frame in ((args.verdicts, judged), (args.table, shadows.by_source(judged))):
        with whole(path) as beside:
            frame.to_csv(beside, index=False, float_format="%.6g")


if __name__ == "__main__":
    steps.run(main)
