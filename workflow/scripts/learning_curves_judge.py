"""Train a judge of candidates on a draw of real images, all folds but one."""

from dataclasses import dataclass

from realgap.data import training_sets
from realgap.run import steps
from realgap.store import shards
from scripts import selection_train
from scripts.classifier_train import WEIGHTS


@dataclass(frozen=True)
class Options(selection_train.Options):
    per_class: int  # real images of each class
    draw: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, shards={"nargs": "+"}, weights=WEIGHTS, out={})
    real = shards.read_all(args.shards, "images")
    drawn = training_sets.drawn(real, options.per_class, options.draw, options.seed)
    selection_train.train("judge_draw", real, options, args.out, args.weights, drawn)


if __name__ == "__main__":
    steps.run(main)
