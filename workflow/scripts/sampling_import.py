"""Import images that are there already, of any generator, as the shard of a source: a slice of one class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realgap.data import images as imaging
from realgap.data import inventory
from realgap.run import steps
from realgap.store import naming, shards


@dataclass(frozen=True)
class Options:
    source: str
    class_name: str
    shard: int
    shards: int  # of a class: its images are cut into so many equal parts, in the order of their ids
    image_size: int
    content: str  # digest of all images of the class
    value_range: list[float] | None = None  # as realgap.data.reading takes them
    background: str | None = None
    fit: str = imaging.CROP  # how an image that is not square becomes so


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={}, root={}, out={})
    real, root = shards.read(args.images, "images"), Path(args.root)
    kind = "hdf5" if root.is_file() else "image_folder"
    try:
        every = inventory.imported(kind, root, options.class_name)
    except ValueError as error:
        raise ValueError(str(error).replace("dataset", f"sources.{options.source}", 1)) from error
    if inventory.digest(every) != options.content:
        raise ValueError(f"{root}: must stay as it is while snakemake runs, it has changed; run snakemake again")
    own = np.array_split(np.arange(len(every)), options.shards)[options.shard]
    if not len(own):
        raise ValueError(
            f"sources.{options.source}.root: must hold at least {options.shards} images of {options.class_name}, one a "
            f"shard; got {len(every)}"
        )
    chosen = [every[row] for row in own]
    how = {"value_range": options.value_range, "background": options.background}
    images = np.empty((len(chosen), options.image_size, options.image_size, 3), np.uint8)
    for place, picture in inventory.pictures(kind, root, chosen, how):
        images[place] = imaging.resize_one(picture, options.image_size, options.fit)
    arrays = {
        "images": images,
        # the study's number of the class, not the folder's
        "labels": np.full(len(own), real["labels"][0], np.int64),
        # below zero: an image of its own, made of none of the real ones
        "image_ids": -1 - np.array([image.image_id for image in chosen], np.int64),
        # so that "the first n of each real image" are as many as there are real images
        "variants": (np.arange(len(own)) // len(real)).astype(np.int32),
    }
    about = {"step": "import", "source": options.source, "options": steps.said(options)}
    about |= naming.carried(real.attributes)
    shards.write(args.out, "images", arrays, {**about, "inputs": {"images": real.attributes["checksum"]}})


if __name__ == "__main__":
    steps.run(main)
