"""Map where a classifier looks on a fixed, stratified choice of real test images, and what it says of them."""

from dataclasses import asdict, dataclass

import numpy as np
import torch

from realgap import devices
from realgap.analyses.saliency import grad_cam
from realgap.classifier import families, storage, training
from realgap.data import training_sets
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    layer: str
    method: str
    images_per_class: int
    faithfulness_images_per_class: int
    batch_size: int
    seed: int  # of the choice of images, not of the classifier


def main() -> None:
    args, options = steps.parse(__doc__, Options, classifier={}, test={}, out={})
    device = devices.pick(options)
    model, made = storage.classifier(args.classifier)
    model.to(device)
    test = shards.read(args.test, "images")
    targets = naming.positions(test["labels"], made["classes"])
    rows = _choose(targets, test["image_ids"], options.images_per_class, options.seed)
    targets, image_ids = targets[rows], test["image_ids"][rows]
    pixel_values = training.to_pixel_values(torch.from_numpy(test["images"][rows]))
    layer = families.layer(model, options.layer, pixel_values.shape[-1])
    batch_size = training.side_by_side(model, options.batch_size)
    result = grad_cam.attend(model, pixel_values, torch.from_numpy(targets), layer, options.method, batch_size)
    faithfulness = np.full(len(rows), np.nan, np.float32)
    if options.faithfulness_images_per_class:
        subset = _choose(targets, image_ids, options.faithfulness_images_per_class, options.seed)
        faithfulness[subset] = grad_cam.faithfulness(
            model, pixel_values[subset], targets[subset], result.true_maps[subset], options.seed
        )
    arrays = {
        **result._asdict(),
        "correct": result.logits.argmax(axis=1) == targets,
        "faithfulness": faithfulness,
        "labels": targets,
        "image_ids": image_ids,
    }
    about = {
        "layer": layer,
        "training_set": made["training_set"],
        "seed": made["options"]["seed"],
        "classes": made["classes"],
    }
    about |= {**naming.carried(made, test.attributes), **storage.reference(made)}
    shards.write(args.out, "saliency", arrays, {"step": "map_saliency", "options": asdict(options), **about})


def _choose(labels: np.ndarray, image_ids: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Rows of `per_class` images of each class, or of as many as each class has."""
    per_class = min(per_class, training_sets.smallest_class([labels]))
    return training_sets.equal_rows(labels, np.zeros_like(labels), image_ids, per_class, seed)


if __name__ == "__main__":
    steps.run(main)
