"""Assemble a training set: an HDF5 file that shows the images of many shards without copying them."""

from collections import Counter

from realgap.run import steps
from realgap.store import shards


def main() -> None:
    args, _ = steps.parse(__doc__, shards={"nargs": "+"}, training_set={}, out={})
    opened = shards.read_all(args.shards, "images", on_disk=True)
    counts: Counter[str] = Counter()
    for one in opened:
        counts[one.attributes["source"]] += len(one)
    made = {"step": "assemble", "training_set": args.training_set, "parts": list(counts.items())}
    shards.write_union(args.out, args.shards, made, opened)


if __name__ == "__main__":
    steps.run(main)
