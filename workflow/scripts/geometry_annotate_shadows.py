"""Write the shadow and object points that rendered scenes are known to have, as an annotator would click them."""

from dataclasses import dataclass

import pandas as pd

from realgap.analyses.geometry.shadows import POINTS
from realgap.rendering import dataset
from realgap.rendering.scenes import pairs_of_scene
from realgap.run import steps
from realgap.store import files, shards


@dataclass(frozen=True)
class Options:
    defects: dict[str, str]  # of each source
    image_size: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={"nargs": "+"}, out={})
    ids = [image_id for path in args.images for image_id in shards.read(path, "images")["image_ids"]]
    size = dataset.Scenes.SIZE_PX
    rows = []
    for image_id in steps.progress(ids, len(ids), "scenes"):
        for source, defect in {"real": None, **options.defects}.items():
            pairs = pairs_of_scene(*dataset.Scenes.scene(image_id), size, size, defect=defect)
            pairs = (pairs + 0.5) * options.image_size / size - 0.5
            rows += [(source, image_id, 0, *pair) for pair in pairs.round(3)]
    table = pd.DataFrame(rows, columns=["source", "image_id", "variant", *POINTS])
    with files.whole(args.out) as beside:
        table.to_csv(beside, index=False)


if __name__ == "__main__":
    steps.run(main)
