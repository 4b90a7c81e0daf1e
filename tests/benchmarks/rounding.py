"""What float16 embeddings change in the samples of a study: `python -m tests.benchmarks.rounding results/digits`.

The first real images of each class are sampled twice from the study's own embeddings, as they are and rounded, with
the study's settings and base model. Everything else is the same, noise included.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from realgap.report import text_tables
from realgap.store import shards
from scripts import sampling_sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of the study")
    parser.add_argument("--source", default="diffusion_inversion")
    parser.add_argument("--base-model", default="resources/mini-sd-digits")
    parser.add_argument("--classes", nargs="*", help="default: all")
    parser.add_argument("--images", type=int, default=5, help="real images of each class; default: %(default)s")
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"])
    args = parser.parse_args()
    classes = args.classes or sorted(path.name for path in (args.results / "embeddings").iterdir())
    rows = [(precision, *_changes(args, classes, precision)) for precision in args.precision]
    columns = ("precision", "images", "changed values, %", "by more than one grey level, %", "largest change")
    print(text_tables.markdown(columns, rows))


def _changes(args: argparse.Namespace, classes: list[str], precision: str) -> tuple[str, ...]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in classes:
            path, rounded = args.results / f"embeddings/{name}/0.h5", Path(folder) / "rounded.h5"
            learned = shards.read(path, "embeddings")
            shards.write(rounded, "embeddings", learned.arrays, learned.attributes, "float16")
            whole, half = (_sampled(args, name, own, precision, Path(folder) / "a.h5") for own in (path, rounded))
            found.append(np.abs(whole - half))
    change = np.concatenate(found)
    shares = (100 * (change > least).mean() for least in (0, 1))
    return (f"{len(change)}", *(f"{share:.2f}" for share in shares), f"{change.max()}")


def _sampled(args: argparse.Namespace, name: str, embeddings: Path, precision: str, out: Path) -> np.ndarray:
    made = shards.read(args.results / f"samples/{args.source}/{name}/0.h5", "images").attributes["options"]
    options = {**made, "images": args.images, "samples_per_image": 1, "precision": precision}
    sys.argv = ["sample", "--images", str(args.results / f"real/{name}/0.h5"), "--embeddings", str(embeddings)]
    sys.argv += ["--base-model", f"{args.base_model}/model_index.json", "--templates", "unused"]
    sys.argv += ["--options", json.dumps(options), "--out", str(out)]
    sampling_sample.main()
    return shards.read(out, "images")["images"].astype(np.int64)


if __name__ == "__main__":
    main()
