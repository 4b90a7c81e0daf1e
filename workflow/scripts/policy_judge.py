"""Judge the options of each class in one round: train on their mixtures and see the loss on validation images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from realgap import devices
from realgap.classifier import training
from realgap.policy import rounds
from realgap.run import steps
from realgap.store import files, naming, shards
from scripts import classifier_train


@dataclass(frozen=True)
class Options(classifier_train.Options):
    options: list[str]  # the sources that a class may take
    round: int  # from 1 on
    classifiers: int  # of each mixture


def main() -> None:
    many = {"nargs": "+"}
    args, options = steps.parse(
        __doc__,
        Options,
        **{"real": many, "made": many, "validation": {}, "before": {"nargs": "*", "default": []}},
        **{"weights": classifier_train.WEIGHTS, "out": {}},
    )
    real, validation = shards.read_all(args.real, "images"), shards.read(args.validation, "images")
    # each option has a shard for each of the real ones, in the same order
    made = dict(zip(options.options, np.array(args.made).reshape(len(options.options), -1).tolist(), strict=True))
    label_of = naming.joint({args.validation: validation.attributes, **dict(enumerate(one.attributes for one in real))})
    labels = sorted(set(np.concatenate([one["labels"] for one in real]).tolist()))
    name_of = {label: name for name, label in label_of.items()}
    known = (
        pd.read_csv(args.before[0])
        if args.before
        else rounds.begin(labels, [name_of.get(label, str(label)) for label in labels], options.options)
    )
    tried = rounds.mixtures(known, options.round)
    losses = np.array([_losses(_data(real, made, mixture), validation, options, args.weights) for mixture in tried])
    files.write(Path(args.out), rounds.after(known, tried, losses).to_csv(index=False, float_format="%.6g").encode())


def _data(real: Sequence[shards.Shard], made: Mapping[str, Sequence[str]], mixture: Mapping[int, str]) -> shards.Shard:
    """The real images, and of each class those of its option."""
    paths = [made[mixture[int(one["labels"][0])]][place] for place, one in enumerate(real)]
    generated = shards.read_all(paths, "images")
    naming.joint({0: real[0].attributes, **dict(zip(paths, (one.attributes for one in generated), strict=True))})
    arrays = {
        name: np.concatenate([one[name] for one in (*real, *generated)]) for name in ("images", "labels", "image_ids")
    }
    counts = [sum(map(len, one)) for one in (real, generated)]
    return shards.Shard(arrays, {"parts": [("real", counts[0]), ("policy", counts[1])]})


def _losses(data: shards.Shard, validation: shards.Shard, options: Options, weights: Sequence[str]) -> list[np.ndarray]:
    """Of each classifier the mean cross-entropy on the validation images of each class, (classes,)."""
    classes = np.unique(data["labels"])
    targets = naming.positions(validation["labels"], classes.tolist())
    device, found = devices.pick(options), []
    for number in range(options.classifiers):
        # seeds of a round are its own, and none of the table's small ones
        own = replace(options, seed=options.seed + 1000 * options.round + number)
        model, _ = classifier_train.fit(data, own, weights=weights)
        dtype = devices.pick_dtype(options.precision, device)
        logits = training.predict(model, validation["images"], batch_size=128, device=device, dtype=dtype)
        loss = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(targets)), targets]
        found.append(np.array([loss[targets == place].mean() for place in range(len(classes))]))
    return found


if __name__ == "__main__":
    steps.run(main)
