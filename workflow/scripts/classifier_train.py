"""Train a classifier on one training set with one seed."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from realgap import devices
from realgap.classifier import networks, pretrained, storage, training
from realgap.data import grouping
from realgap.run import steps
from realgap.store import checkpoints, naming, provenance, shards
from realgap.store.rows import Rows
from realgap.study import sources


@dataclass(frozen=True, kw_only=True)
class Options(training.Settings, devices.Compute):
    architecture: str
    real_share: float | None
    seed: int
    stem: str
    weights: str | None = None  # digest of those that it starts from
    reference: str | None = None  # the row of real images that it is compared with, where that is not `real`
    expects: dict[str, Any] | None = None  # what the network is given instead of the images as they are
    on_disk: bool | None = None  # whether images are read batch by batch


WEIGHTS = {"nargs": "*", "default": []}  # their file, or none


def main() -> None:
    args, options = steps.parse(__doc__, Options, training_set={}, weights=WEIGHTS, out={})
    data = shards.opened(args.training_set) if options.on_disk else shards.read(args.training_set, "images")
    of_run = {"step": "train", "options": asdict(options), "inputs": {"training_set": data.attributes["checksum"]}}
    checkpoint = checkpoints.Checkpoint(args.out, of_run)
    model, losses = fit(data, options, checkpoint=checkpoint, weights=args.weights)
    made = {
        **of_run,
        "training_set": data.attributes["training_set"],
        "parts": data.attributes["parts"],
        "classes": np.unique(data["labels"]).tolist(),
        **naming.carried(data.attributes),
        "image_size": data["images"].shape[1],
        "losses": [round(float(part.mean()), 4) for part in np.array_split(losses, min(50, len(losses)))],
        "versions": provenance.versions("torch", "torchvision", *_more(options)),
    }
    storage.save(args.out, model.state_dict(), made)
    checkpoint.remove()


def _split(images: np.ndarray | Rows, ends: np.ndarray) -> list:
    """Those of each source."""
    if isinstance(images, Rows):
        return [images.between(*ends) for ends in itertools.pairwise([0, *ends.tolist(), len(images)])]
    return np.split(images, ends)


def _more(options: Options) -> list[str]:
    return ["timm"] if options.architecture.startswith(networks.TIMM) else []


def train_and_predict(
    step: str, data: shards.Shard, test: shards.Shard, options: Options, out: str, weights: Sequence[str] = ()
) -> None:
    """Train on `data` and write what the classifier says of the test images, for an analysis; no classifier is kept."""
    of_run = {"step": step, "options": asdict(options), "inputs": {"training_set": data.attributes["checksum"]}}
    checkpoint = checkpoints.Checkpoint(out, of_run)
    model, _ = fit(data, options, checkpoint=checkpoint, weights=weights)
    device = devices.pick(options)
    dtype = devices.pick_dtype(options.precision, device)
    classes = np.unique(data["labels"])
    arrays = {
        "logits": training.predict(model, test["images"], batch_size=128, device=device, dtype=dtype),
        "labels": naming.positions(test["labels"], classes.tolist()),
        "image_ids": test["image_ids"],
    }
    kept = {name: data.attributes[name] for name in ("training_set", "parts")}
    made = {"step": step, "seed": options.seed, "classes": classes.tolist(), "options": asdict(options), **kept}
    made |= naming.carried(data.attributes, test.attributes) | grouping.carried(test.attributes)
    shards.write(out, "predictions", arrays, made)
    checkpoint.remove()


def fit(
    data: shards.Shard,
    options: Options,
    model: nn.Module | None = None,
    frozen: Sequence[nn.Module | nn.Parameter] = (),
    checkpoint: checkpoints.Checkpoint | None = None,
    weights: Sequence[str] = (),
) -> tuple[nn.Module, list[float]]:
    """A classifier trained on the rows of a training set, and the loss of each step.

    model: where to start, else at random by the seed, or at the weights of a file; frozen: its modules that stay as
    they are; checkpoint: where a killed training goes on from.
    """
    classes, targets = np.unique(data["labels"], return_inverse=True)
    made_of = data.attributes["parts"]
    ends = np.cumsum([count for _, count in made_of])[:-1]
    parts = list(zip(_split(data["images"], ends), np.split(targets, ends), strict=True))
    names, counts = zip(*made_of, strict=True)
    shares = sources.batch_shares(names, options.real_share, counts)
    if model is None:
        built = len(classes), data["images"].shape[1], options.stem, options.expects
        model = networks.begin(options.architecture, *built, options.seed)
        for path in weights:
            pretrained.load(model, options.architecture, path)
    device = devices.pick(options)
    options = replace(options, steps=training.steps_of(options, len(targets)))
    run = training.train(
        model,
        parts,
        shares,
        options,
        seed=options.seed,
        device=device,
        dtype=devices.pick_dtype(options.precision, device, training=True),
        frozen=frozen,
        **({} if checkpoint is None else {"state": checkpoint.load(training.State), "offer": checkpoint.offer}),
    )
    # read once at the end: a GPU would be waited for at every step
    losses = torch.stack(list(steps.progress(run, options.steps, "training"))).tolist()
    if not np.isfinite(losses).all():
        raise ValueError(f"classifier.lr: must be lower, got {options.lr}: the loss did not stay finite")
    return model, losses


if __name__ == "__main__":
    steps.run(main)
