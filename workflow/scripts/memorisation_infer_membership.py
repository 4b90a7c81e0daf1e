"""Infer membership: how well the losses of each classifier tell real training images from test images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from realgap import devices
from realgap.analyses.memorisation import section as analysis
from realgap.classifier import storage, training
from realgap.data import training_sets
from realgap.report import tables
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    members_per_class: int
    seed: int


def main() -> None:
    many = {"nargs": "+"}
    args, options = steps.parse(__doc__, Options, classifiers=many, predictions=many, train=many, out={})
    parts = shards.read_all(args.train, "images")
    images, own, ids = (np.concatenate([part[name] for part in parts]) for name in ("images", "labels", "image_ids"))
    count = min(options.members_per_class, training_sets.smallest_class([own]))
    rows = training_sets.equal_rows(own, np.zeros_like(own), ids, count, options.seed)
    members = images[rows], own[rows], naming.carried(*(part.attributes for part in parts))
    runs = _runs(args.classifiers, args.predictions, *members, options)
    tables.save(args.out, analysis.membership(runs))


def _runs(
    networks: Sequence[str], predictions: Sequence[str], images: np.ndarray, own: np.ndarray, named: dict, o: Options
) -> Iterator[dict]:
    """What every classifier says of the members and of the test images."""
    device = devices.pick(o)
    dtype = devices.pick_dtype(o.precision, device)
    for network, path in zip(networks, predictions, strict=True):
        model, made = storage.classifier(network)
        logits = training.predict(model, images, batch_size=256, device=device, dtype=dtype)
        others = shards.read(path, "predictions")
        naming.joint({"the training images": named, network: made, path: others.attributes})
        yield {
            "training_set": made["training_set"],
            "seed": made["options"]["seed"],
            "members": (logits, naming.positions(own, made["classes"])),
            "others": (others["logits"], others["labels"]),
        }


if __name__ == "__main__":
    steps.run(main)
