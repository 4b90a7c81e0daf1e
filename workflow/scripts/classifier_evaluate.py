"""Evaluate a classifier on the real test images: its logits for each of them."""

import numpy as np

from realgap import devices
from realgap.classifier import storage, training
from realgap.run import steps
from realgap.store import files, shards


def main() -> None:
    args, options = steps.parse(__doc__, devices.Compute, classifier={}, test={}, out={})
    device = devices.pick(options)
    model, made = storage.classifier(args.classifier)
    test = shards.read(args.test, "images")
    if strange := set(test["labels"].tolist()) - set(made["classes"]):
        raise ValueError(f"{args.classifier}: must know all classes of {args.test}; label {min(strange)} is new to it")
    dtype = devices.pick_dtype(options.precision, device)
    logits = training.predict(model, test["images"], batch_size=128, device=device, dtype=dtype)
    arrays = {
        "logits": logits,
        "labels": np.searchsorted(made["classes"], test["labels"]),
        "image_ids": test["image_ids"],
    }
    kept = {name: made[name] for name in ("training_set", "parts", "classes")}
    inputs = {"classifier": files.sha256(args.classifier), "test": test.attributes["checksum"]}
    about = {"step": "evaluate", "seed": made["options"]["seed"], "inputs": inputs, **kept}
    shards.write(args.out, "predictions", arrays, about)


if __name__ == "__main__":
    steps.run(main)
