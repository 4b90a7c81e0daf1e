"""Import images that are there already, of any generator, as the shard of a source: a slice of one class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realgap.data import loaders, splits
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    source: str
    root: str
    class_name: str
    shard: int
    shards: int  # of a class: its images are cut into so many equal parts, in the order of their ids
    image_size: int
    value_range: list[float] | None = None  # as realgap.data.reading takes them
    background: str | None = None


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={}, out={})
    real, root = shards.read(args.images, "images"), Path(options.root)
    try:
        dataset = (loaders.hdf5 if root.is_file() else loaders.image_folder)(root, "train")
    except ValueError as error:
        raise ValueError(str(error).replace("dataset.root", f"sources.{options.source}.root", 1)) from error
    if options.class_name not in dataset.class_names:
        raise ValueError(f"sources.{options.source}.root: {root} must hold the class {options.class_name}; it does not")
    rows = dataset.rows_of(options.class_name)
    rows = rows[np.argsort(dataset.image_ids[rows], kind="stable")]
    own = np.array_split(np.arange(len(rows)), options.shards)[options.shard]
    if not len(own):
        raise ValueError(
            f"sources.{options.source}.root: must hold at least {options.shards} images of {options.class_name}, one a "
            f"shard; got {len(rows)}"
        )
    dataset = loaders.read_by(dataset, value_range=options.value_range, background=options.background)
    taken = splits.take(dataset, rows[own], options.image_size)
    arrays = {
        "images": taken["images"],
        # the study's number of the class, not the folder's
        "labels": np.full(len(own), real["labels"][0], np.int64),
        # below zero: an image of its own, made of none of the real ones
        "image_ids": -1 - taken["image_ids"],
        # so that "the first n of each real image" are as many as there are real images
        "variants": (np.arange(len(own)) // len(real)).astype(np.int32),
    }
    about = {"step": "import", "source": options.source, "options": {**steps.said(options), "root": None}}
    shards.write(args.out, "images", arrays, {**about, "inputs": {"images": real.attributes["checksum"]}})


if __name__ == "__main__":
    steps.run(main)
