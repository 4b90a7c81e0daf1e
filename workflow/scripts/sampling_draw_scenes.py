"""Draw new scenes for the rendered "real" images of a shard, some with a known defect: candidates to choose among."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap.data import images
from realgap.rendering import dataset
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    source: str
    defects: list[str]
    defective_share: float
    samples_per_image: int
    image_size: int
    seed: int
    one_more: int = 0  # of the first so many real images of the shard another scene


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={}, out={})
    real = shards.read(args.images, "images")
    samples = options.samples_per_image + (np.arange(len(real["labels"])) < options.one_more)
    image_ids = np.repeat(real["image_ids"], samples)
    variants = np.concatenate([np.arange(count) for count in samples]).astype(np.int32)
    scene_ids = dataset.Scenes.new(image_ids, variants)
    defects = dataset.drawn_defects(options.seed, scene_ids, options.defects, options.defective_share)
    scenes = dataset.Scenes(scene_ids, defects)
    arrays = {
        "images": images.resize(steps.progress(scenes, len(scenes), "rendering"), options.image_size),
        "labels": np.repeat(real["labels"], samples),
        "image_ids": image_ids,
        "variants": variants,
    }
    made = {"step": "draw_scenes", "source": options.source, "options": asdict(options), "drawn_defects": defects}
    shards.write(args.out, "images", arrays, made | naming.carried(real.attributes))


if __name__ == "__main__":
    steps.run(main)
