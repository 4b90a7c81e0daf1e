"""Train a judge of candidates: a classifier on real training images of all folds but one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from realgap.classifier import storage
from realgap.run import steps
from realgap.selection import folds
from realgap.store import checkpoints, naming, provenance, shards
from scripts import classifier_train


@dataclass(frozen=True)
class Options(classifier_train.Options):
    folds: int
    fold: int  # the one that is left out


def main() -> None:
    args, options = steps.parse(__doc__, Options, shards={"nargs": "+"}, weights=classifier_train.WEIGHTS, out={})
    opened = shards.read_all(args.shards, "images")
    train("train_judge", opened, options, args.out, args.weights)


def train(
    step: str,
    real: Sequence[shards.Shard],
    options: Options,
    out: str,
    weights: Sequence[str],
    image_ids: np.ndarray | None = None,
) -> None:
    """Write the judge that has not seen one fold of these real images, or of those of these ids."""
    arrays = {name: np.concatenate([one[name] for one in real]) for name in shards.LAYOUT["images"]}
    if image_ids is not None:
        drawn = np.isin(arrays["image_ids"], image_ids)
        arrays = {name: values[drawn] for name, values in arrays.items()}
    fold = folds.of(arrays["labels"], arrays["image_ids"], options.folds, options.seed)
    trained = fold != options.fold
    about = naming.carried(*(one.attributes for one in real))
    inputs = {"shards": shards.joint(one.attributes["checksum"] for one in real)}
    of_run = {"step": step, "options": asdict(options), "inputs": inputs}
    seen = {name: array[trained] for name, array in arrays.items()}
    data = shards.Shard(seen, {"parts": [("real", int(trained.sum()))], **about})
    checkpoint = checkpoints.Checkpoint(out, of_run)
    model, losses = classifier_train.fit(data, options, checkpoint=checkpoint, weights=weights)
    made = {
        **of_run,
        **about,
        "training_set": "real",
        "classes": np.unique(arrays["labels"]).tolist(),
        "image_size": arrays["images"].shape[1],
        "held_out": sorted(arrays["image_ids"][~trained].tolist()),
        "losses": [round(float(part.mean()), 4) for part in np.array_split(losses, min(50, len(losses)))],
        "versions": provenance.versions("torch", "torchvision"),
    }
    storage.save(out, model.state_dict(), made)
    checkpoint.remove()


if __name__ == "__main__":
    steps.run(main)
