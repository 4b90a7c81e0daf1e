"""Evaluate a classifier on the real test images: its logits for each of them."""

from realgap import devices
from realgap.classifier import storage, training
from realgap.data import grouping
from realgap.run import steps
from realgap.store import files, naming, shards


def main() -> None:
    args, options = steps.parse(__doc__, devices.Compute, classifier={}, test={}, out={})
    device = devices.pick(options)
    model, made = storage.classifier(args.classifier)
    test = shards.read(args.test, "images")
    known = naming.joint({args.classifier: made, args.test: test.attributes})
    try:
        targets = naming.positions(test["labels"], made["classes"])
    except ValueError as error:
        raise ValueError(f"{args.classifier}: {error}, in {args.test}; {files.make_again()}") from error
    dtype = devices.pick_dtype(options.precision, device)
    logits = training.predict(model, test["images"], batch_size=128, device=device, dtype=dtype)
    arrays = {
        "logits": logits,
        "labels": targets,
        "image_ids": test["image_ids"],
    }
    kept = {name: made[name] for name in ("training_set", "parts", "classes")}
    inputs = {"classifier": files.sha256(args.classifier), "test": test.attributes["checksum"]}
    kept |= storage.reference(made)
    about = {"step": "evaluate", "seed": made["options"]["seed"], "inputs": inputs, **kept, naming.KEY: known}
    about |= grouping.carried(test.attributes)
    shards.write(args.out, "predictions", arrays, about)


if __name__ == "__main__":
    steps.run(main)
