"""Train on the first few generated images of each real one, and predict the real test images."""

from dataclasses import dataclass

from realgap.data import training_sets
from realgap.run import steps
from realgap.store import shards
from scripts import classifier_train as train


@dataclass(frozen=True)
class Options(train.Options):
    multiple: int  # generated images of each real one


def main() -> None:
    args, options = steps.parse(__doc__, Options, training_set={}, test={}, weights=train.WEIGHTS, out={})
    data = training_sets.first_variants(shards.read(args.training_set, "images"), options.multiple)
    train.train_and_predict("train_scaling", data, shards.read(args.test, "images"), options, args.out, args.weights)


if __name__ == "__main__":
    steps.run(main)
