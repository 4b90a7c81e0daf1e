"""Render the scenes of a shard of rendered "real" images again, with a known defect: a generator of known fault."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap.data import images
from realgap.rendering import dataset
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    source: str
    defect: str
    image_size: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={}, out={})
    real = shards.read(args.images, "images")
    scenes = dataset.Scenes(real["image_ids"], options.defect)
    arrays = {
        "images": images.resize(list(steps.progress(scenes, len(scenes), "rendering")), options.image_size),
        "labels": real["labels"],
        "image_ids": real["image_ids"],
        "variants": np.zeros(len(scenes), np.int32),
    }
    made = {"step": "render", "source": options.source, "options": asdict(options)} | naming.carried(real.attributes)
    shards.write(args.out, "images", arrays, made)


if __name__ == "__main__":
    steps.run(main)
