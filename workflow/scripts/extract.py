"""Write real images of a data set as a shard: a slice of one class, or the test set."""

from dataclasses import asdict, dataclass

from realgap import datasets, shards, steps


@dataclass(frozen=True)
class Options:
    dataset: str
    split: str  # "train": images start..stop of classes[0]; "test": what no class trains on
    classes: list[str]
    start: int
    stop: int
    image_size: int
    seed: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, out={})
    dataset = datasets.load(options.dataset)
    if options.split == "train":
        rows = datasets.training_rows(dataset, options.classes[0], options.start, options.stop, options.seed)
    else:
        rows = datasets.remaining_rows(dataset, options.classes, options.stop, options.seed)
    arrays = datasets.take(dataset, rows, options.image_size)
    shards.write(args.out, "images", arrays, {"step": "extract", "source": "real", "options": asdict(options)})


if __name__ == "__main__":
    steps.run(main)
