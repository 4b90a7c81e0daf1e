"""Keep one of several candidates for each image of a draw of real ones; judges and comparisons come from it alone."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap.data import training_sets
from realgap.run import steps
from realgap.selection import choosing
from realgap.store import naming, shards
from realgap.study import sources
from scripts import selection_score, selection_select


@dataclass(frozen=True)
class Options(selection_select.Choice, selection_score.Options):
    per_class: int  # real images of each class
    draw: int
    seed: int


def main() -> None:
    several = {"nargs": "+"}
    args, options = steps.parse(__doc__, Options, real=several, images=several, judges=several, out={})
    real, parts = shards.read_all(args.real, "images"), shards.read_all(args.images, "images")
    drawn = training_sets.drawn(real, options.per_class, options.draw, options.seed)
    of_draw, candidates = (training_sets.of_images(of, drawn, options.source).arrays for of in (real, parts))
    judges, kept, refused = selection_score.judges(args.judges, options), [], {}
    for label in steps.progress(np.unique(of_draw["labels"]), len(np.unique(of_draw["labels"])), "choosing"):
        own, of_class = (
            {name: values[images["labels"] == label] for name, values in images.items()}
            for images in (candidates, of_draw)
        )
        scores, about = selection_score.score(own, of_class, judges, options)
        rows, badly = selection_select.choose(scores, about["controls"], options, options.seed)
        rows = np.sort(rows)
        again = options.of == sources.REAL  # real images, some of them several times
        variants = choosing.occurrences(rows) if again else own["variants"][rows] // options.candidates
        of_slot = {"variants": variants.astype(np.int32)}
        kept.append({name: values[rows] for name, values in own.items()} | of_slot)
        refused = {name: refused.get(name, 0) + int(of.sum()) for name, of in badly.items()}
    arrays = {name: np.concatenate([one[name] for one in kept]) for name in shards.LAYOUT["images"]}
    made = {"step": "select_draw", "source": options.source, "options": asdict(options), "refused": refused}
    made |= naming.carried(*(one.attributes for one in [*real, *parts]))
    shards.write(args.out, "images", arrays, made)


if __name__ == "__main__":
    steps.run(main)
