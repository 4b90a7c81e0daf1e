"""Train on a draw of real images and what was generated of them, and predict the real test images."""

from dataclasses import dataclass

from realgap.data import training_sets
from realgap.run import steps
from realgap.store import shards
from scripts import classifier_train as train


@dataclass(frozen=True)
class Options(train.Options):
    per_class: int  # real images of each class
    draw: int
    draw_seed: int  # of the study; `seed` is the classifier's


def main() -> None:
    files = {"real": {"nargs": "+"}, "shards": {"nargs": "+"}}
    args, options = steps.parse(__doc__, Options, **files, training_set={}, test={}, weights=train.WEIGHTS, out={})
    real, parts = shards.read_all(args.real, "images"), shards.read_all(args.shards, "images")
    drawn = training_sets.drawn(real, options.per_class, options.draw, options.draw_seed)
    data = training_sets.of_images(parts, drawn, args.training_set)
    train.train_and_predict("train_on_draw", data, shards.read(args.test, "images"), options, args.out, args.weights)


if __name__ == "__main__":
    steps.run(main)
