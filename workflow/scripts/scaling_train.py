"""Train on the first few generated images of each real one, and predict the real test images."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap import devices
from realgap.classifier import training
from realgap.data import training_sets
from realgap.run import steps
from realgap.store import checkpoints, shards
from scripts import classifier_train as train


@dataclass(frozen=True)
class Options(train.Options):
    multiple: int  # generated images of each real one


def main() -> None:
    args, options = steps.parse(__doc__, Options, training_set={}, test={}, out={})
    data = training_sets.first_variants(shards.read(args.training_set, "images"), options.multiple)
    test = shards.read(args.test, "images")
    of_run = {
        "step": "train_scaling",
        "options": asdict(options),
        "inputs": {"training_set": data.attributes["checksum"]},
    }
    checkpoint = checkpoints.Checkpoint(args.out, of_run)
    model, _ = train.fit(data, options, checkpoint=checkpoint)
    device = devices.pick(options.device)
    dtype = devices.pick_dtype(options.precision, device)
    classes = np.unique(data["labels"])
    arrays = {
        "logits": training.predict(model, test["images"], batch_size=128, device=device, dtype=dtype),
        "labels": np.searchsorted(classes, test["labels"]),
        "image_ids": test["image_ids"],
    }
    kept = {name: data.attributes[name] for name in ("training_set", "parts")}
    made = {
        "step": "train_scaling",
        "seed": options.seed,
        "classes": classes.tolist(),
        "options": asdict(options),
        **kept,
    }
    shards.write(args.out, "predictions", arrays, made)
    checkpoint.remove()


if __name__ == "__main__":
    steps.run(main)
