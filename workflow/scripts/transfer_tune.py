"""Tune: freeze the first stages of a trained classifier and train the rest on part of the real images."""

import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd

from realgap import devices
from realgap.analyses.transfer.hits import packed
from realgap.classifier import families, storage, training
from realgap.data import training_sets
from realgap.run import steps
from realgap.store import files, naming, shards
from scripts import classifier_train as train


@dataclass(frozen=True)
class Options(train.Options):
    pretrained: str  # the training set of --classifier; scratch: real images only, nothing to freeze
    frozen_stages: list[int]  # of the stem and the stages after it, from the input on
    fractions: list[float]


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, classifier={"nargs": "*"}, real={}, test={}, weights=train.WEIGHTS, out={}
    )
    real, test = shards.read_all([args.real, args.test], "images")
    start, made = storage.classifier(args.classifier[0]) if args.classifier else (None, {})
    naming.joint({args.real: real.attributes, **dict.fromkeys(args.classifier, made)})
    rows = []
    for frozen in options.frozen_stages if start is not None else [0]:
        for fraction in options.fractions:
            data = training_sets.first_share(real, fraction)
            model = copy.deepcopy(start)
            fixed = [item for stage in families.stages(model)[:frozen] for item in stage] if model else []
            model, _ = train.fit(data, options, model, fixed, weights=args.weights)
            right = _right(model, test, np.unique(real["labels"]), options)
            setting = options.pretrained, options.seed, frozen, fraction, len(data)
            rows.append((*setting, right.mean(), len(test), packed(right)))
    columns = ["training_set", "seed", "frozen_stages", "fraction", "n_real", "accuracy", "n_test", "hits"]
    files.write(args.out, pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.6g").encode())


def _right(model, test: shards.Shard, classes: np.ndarray, options: Options) -> np.ndarray:
    device = devices.pick(options)
    dtype = devices.pick_dtype(options.precision, device)
    logits = training.predict(model, test["images"], batch_size=128, device=device, dtype=dtype)
    return classes[logits.argmax(axis=1)] == test["labels"]


if __name__ == "__main__":
    steps.run(main)
