"""The tutorial's commands, each timed, on a folder of 7 classes with 3 to 120 photographs.

    envs/run python -m tests.benchmarks.tutorial --root resources/cifar10 --out /tmp/tutorial

The photographs are CIFAR-10's, of its training part alone, in the formats that people have: JPEG, PNG, WebP, BMP,
TIFF and GIF, grey ones, one of 12 megapixels, one turned by its EXIF, one of CMYK. The project is cloned to --out
first. Its environment is this one (--environment: its own, made there and timed).
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from realgap.data import catalog, loaders
from realgap.report import text_tables
from tests.checkout import ROOT

# images of each class to train and test on
CLASSES = {"airplane": 120, "bird": 80, "cat": 50, "dog": 30, "frog": 12, "ship": 6, "truck": 3}
SUFFIXES = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif")
COMMANDS = (
    "new_study --config images=birds name=birds",
    "plan --configfile resources/studies/birds.yaml",
    "-n --configfile resources/studies/birds.yaml",
    "pilot --configfile resources/studies/birds.yaml",
    "--configfile resources/studies/birds.yaml",
    "-n --configfile resources/studies/birds.yaml",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of cifar-10-batches-py/")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--environment", action="store_true", help="make the clone an environment of its own")
    args = parser.parse_args()
    subprocess.run(["git", "clone", "--quiet", ROOT, args.out], check=True)
    put(args.root, args.out / "birds")
    environment = {**os.environ, "REALGAP_ENV": "" if args.environment else "active"}
    rows = [("envs/run true", f"{timed(['envs/run', 'true'], args.out, environment):.0f}")] if args.environment else []
    for command in COMMANDS:
        seconds = timed(["envs/run", "snakemake", *command.split()], args.out, environment)
        rows.append((f"envs/run snakemake {command}", f"{seconds:.0f}"))
    print(text_tables.markdown(("command", "seconds"), rows))


def put(root: Path, folder: Path) -> None:
    """Write the photographs, one folder a class."""
    photographs = loaders.cifar10(root, "train")
    for name, count in CLASSES.items():
        (folder / name).mkdir(parents=True)
        rows = np.flatnonzero(photographs.labels == catalog.CIFAR10.index(name))[:count]
        for number, row in enumerate(rows):
            image, path = Image.fromarray(photographs.images[row]), folder / name / f"{number:04}"
            write(image, path.with_suffix(SUFFIXES[number % len(SUFFIXES)]), number)


def write(image: Image.Image, path: Path, number: int) -> None:
    """One photograph; a few of the first are odd."""
    if number == 6:
        image.resize((4000, 3000)).save(path)
    elif number == 12:
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        image.rotate(90, expand=True).save(path, exif=exif)
    elif number == 18:
        image.convert("CMYK").save(path)
    elif number % 10 == 7:
        image.convert("L").save(path)
    else:
        image.save(path)


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Seconds by the clock; a command that fails ends it all."""
    began = time.monotonic()
    with (folder / "commands.log").open("a") as log:
        run = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log)
    if run.returncode:
        sys.exit(f"{' '.join(command)}: exit {run.returncode}; see {folder}/commands.log")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
