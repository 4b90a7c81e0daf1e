"""Extract the features of a set of images by one network, the same for every set."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap import devices, features, shards, steps, weights
from realgap.images import resampled


@dataclass(frozen=True)
class Options:
    extractor: str  # classifier, or one of features.EXTRACTORS
    resampled: bool  # of the images halved and doubled: what resampling alone does (control)
    batch_size: int
    device: str
    precision: str


def main() -> None:
    args, options = steps.parse(__doc__, Options, network={}, shards={"nargs": "+"}, out={})
    device = devices.pick(options.device)
    parts = [shards.read(path, "images") for path in args.shards]
    images = np.concatenate([part["images"] for part in parts])
    if options.resampled:
        images = resampled(images)
    if options.extractor == "classifier":
        model, made = weights.classifier(args.network)
        name, dtype = made["options"]["architecture"], devices.pick_dtype(options.precision, device)
        found, _ = features.penultimate(model, images, batch_size=options.batch_size, device=device, dtype=dtype)
    else:
        name = options.extractor
        found = features.extract(name, args.network, images, batch_size=options.batch_size, device=device)
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in ("labels", "image_ids", "variants")}
    made = {"step": "extract_features", "extractor": name, "options": asdict(options)}
    shards.write(args.out, "features", {"features": found, **arrays}, made)


if __name__ == "__main__":
    steps.run(main)
