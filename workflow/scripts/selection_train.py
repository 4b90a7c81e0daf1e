"""Train a judge of candidates: a classifier on real training images of all folds but one."""

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
    args, options = steps.parse(__doc__, Options, shards={"nargs": "+"}, out={})
    opened = shards.read_all(args.shards, "images")
    arrays = {name: np.concatenate([one[name] for one in opened]) for name in shards.LAYOUT["images"]}
    fold = folds.of(arrays["labels"], arrays["image_ids"], options.folds, options.seed)
    trained = fold != options.fold
    seen = {name: array[trained] for name, array in arrays.items()}
    about = naming.carried(*(one.attributes for one in opened))
    inputs = {"shards": shards.joint(one.attributes["checksum"] for one in opened)}
    of_run = {"step": "train_judge", "options": asdict(options), "inputs": inputs}
    data = shards.Shard(seen, {"parts": [("real", int(trained.sum()))], **about})
    checkpoint = checkpoints.Checkpoint(args.out, of_run)
    model, losses = classifier_train.fit(data, options, checkpoint=checkpoint)
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
    storage.save(args.out, model.state_dict(), made)
    checkpoint.remove()


if __name__ == "__main__":
    steps.run(main)
