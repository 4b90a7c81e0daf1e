"""Write down what a user's own data set holds: each image of the study's classes, its content and its part."""

from dataclasses import dataclass

from realgap.data import inventory, own
from realgap.run import steps
from realgap.store import files


@dataclass(frozen=True)
class Options:
    dataset: str
    classes: list[str]
    validation_images_per_class: int
    test_share: float
    seed: int
    content: str  # what the file must be, its digest
    groups: str | None = None  # as realgap.data.grouping takes them


def main() -> None:
    args, options = steps.parse(__doc__, Options, root={}, out={})
    images = inventory.take(options.dataset, args.root, options.classes, groups=options.groups).images
    parts = own.Parts(images, own.Split(options.seed, options.test_share, options.validation_images_per_class))
    if parts.content() != options.content:
        raise ValueError(f"{args.root}: must stay as it is while snakemake runs, it has changed; run snakemake again")
    files.write(args.out, parts.as_csv().encode())


if __name__ == "__main__":
    steps.run(main)
