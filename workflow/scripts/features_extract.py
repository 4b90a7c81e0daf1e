"""Extract the features of a set of images by one network, the same for every set."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from realgap import devices
from realgap.classifier import storage
from realgap.data.images import resampled
from realgap.features import extractors
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    extractor: str  # classifier, or one of features.EXTRACTORS
    resampled: bool  # of the images halved and doubled: what resampling alone does (control)
    batch_size: int
    weights: str | None = None  # digest of those that the user has put there


def main() -> None:
    args, options = steps.parse(__doc__, Options, network={}, shards={"nargs": "+"}, out={})
    device = devices.pick(options)
    if options.extractor == "classifier":
        model, made = storage.classifier(args.network)
        name, dtype = made["options"]["architecture"].replace("/", "_"), devices.pick_dtype(options.precision, device)
        extract = partial(extractors.penultimate, model, dtype=dtype)
    else:
        name = options.extractor
        extract = partial(extractors.extract, extractors.load(name, args.network, device))
    of_images = partial(extract, batch_size=options.batch_size, device=device)
    known: dict[str, dict[str, Any]] = {}
    parts = [
        _of_shard(path, of_images, options.resampled, known)
        for path in steps.progress(args.shards, len(args.shards), "extracting")
    ]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in shards.LAYOUT["features"]}
    made = {"step": "extract_features", "extractor": name, "options": asdict(options), naming.KEY: naming.joint(known)}
    shards.write(args.out, "features", arrays, made)


def _of_shard(path: str, of_images: Callable[..., np.ndarray], halved: bool, known: dict) -> dict[str, np.ndarray]:
    """The features of one shard and what tells whose they are; its images are let go."""
    shard = shards.read(path, "images")
    known[path] = shard.attributes
    images = resampled(shard["images"]) if halved else shard["images"]
    whose = {key: shard[key] for key in ("labels", "image_ids", "variants")}
    return {"features": of_images(images), **whose}


if __name__ == "__main__":
    steps.run(main)
