"""Collect the photographs of an ImageFolder in one shard, each with its folder as label, for pre-training."""

from dataclasses import dataclass
from pathlib import Path

from realgap.data import loaders, splits
from realgap.pretraining import captions
from realgap.run import steps
from realgap.store import shards


@dataclass(frozen=True)
class Options:
    root: str | None
    captions: str
    image_size: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, out={})
    if options.root is None or not Path(options.root).is_dir():
        raise ValueError(f"config: natural.root: must be the folder of the photographs; got {options.root!r}")
    photographs = loaders.image_folder(Path(options.root), "train")
    table = captions.read_table(options.captions)
    if unknown := [name for name in photographs.class_names if name not in table]:
        raise ValueError(f"{options.captions}: must have a line for the folder {unknown[0]} of {options.root}")
    rows = range(len(photographs.labels))
    arrays = splits.take(photographs, rows, options.image_size)
    made = {
        "step": "collect",
        "source": "real",
        "classes": list(photographs.class_names),
        "options": {"image_size": options.image_size},
    }
    shards.write(args.out, "images", arrays, made)


if __name__ == "__main__":
    steps.run(main)
