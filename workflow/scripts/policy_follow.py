"""Take a shard's images from the source that was chosen for its class."""

from dataclasses import asdict, dataclass

import pandas as pd

from realgap.policy import rounds
from realgap.run import steps
from realgap.store import files, naming, shards


@dataclass(frozen=True)
class Options:
    source: str
    options: list[str]  # the sources that a class may take


def main() -> None:
    args, options = steps.parse(__doc__, Options, choice={}, made={"nargs": "+"}, out={})
    chosen = rounds.chosen(pd.read_csv(args.choice))
    opened = dict(zip(options.options, shards.read_all(args.made, "images"), strict=True))
    carried = naming.carried(*(one.attributes for one in opened.values()))
    label = int(next(iter(opened.values()))["labels"][0])
    if label not in chosen:
        raise ValueError(f"{args.choice}: must have a choice for label {label}; {files.make_again()}")
    taken = opened[chosen[label]]
    made = {"step": "follow", "source": options.source, "options": asdict(options), "took": chosen[label]}
    inputs = {"images": taken.attributes["checksum"], "choice": files.sha256(args.choice)}
    arrays = {name: taken[name] for name in shards.LAYOUT["images"]}
    shards.write(args.out, "images", arrays, {**made, "inputs": inputs, **carried})


if __name__ == "__main__":
    steps.run(main)
