"""Write a study file for images that are there, and say what it will cost and what to do next."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from realgap.data import inventory, own
from realgap.run import cards, steps
from realgap.store import files
from realgap.study import beginning, counts
from realgap.study import config as configuration

LOOKED_AT = 60  # images that are decoded
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Options:
    images: str | None
    name: str | None
    folder: str  # where study files are
    default: str  # the default study
    seed: int


def main() -> None:
    _, options = steps.parse(__doc__, Options)
    for key in ("images", "name"):
        if not getattr(options, key):
            raise ValueError(f"config: {key}: must be given: snakemake new_study --config images=FOLDER name=NAME")
    path = Path(options.folder) / f"{options.name}.yaml"
    if path.exists():
        raise ValueError(f"config: name: must be a new one, {path} is there; move it away, or choose another name")
    found = _look(Path(options.images), options.seed)
    text = beginning.text(options.name, found)
    _check(Path(options.default), text, found)
    files.write(path, text.encode())
    print(beginning.table(found), f"\nwritten: {path}\n", sep="\n", flush=True)
    subprocess.run([sys.executable, "-m", "snakemake", "--quiet", "all", "--configfile", str(path), "--", "plan"])
    print(f"\nnext: look at {path}, then")
    print(f"    envs/run snakemake pilot --configfile {path}    # does the base model fit these images?")
    print(f"    envs/run snakemake --configfile {path}")


def _look(root: Path, seed: int) -> beginning.Found:
    """What is there: every image by its content, and some of them by their pixels."""
    kind = beginning.kind_of(root)
    try:
        taken = inventory.take(kind, root, None)
        parts = own.Parts(taken.images, own.Split(seed, TEST_SHARE, 0))
        trained, tested = ({name: len(parts.of(part, name)) for name in taken.classes} for part in ("train", "test"))
        if len(taken.classes) < 2 or not min(*trained.values(), *tested.values()):
            empty = [name for name in taken.classes if not trained[name] or not tested[name]]
            what = f"too few in {', '.join(empty[:5])}" if empty else f"{len(taken.classes)} class"
            raise ValueError(f"images: must be of two classes or more, with two different images each; got {what}")
        sides, greys = zip(*_seen(kind, root, taken.images), strict=True)
    except ValueError as error:
        raise ValueError(str(error).replace("dataset.root", "images", 1)) from error
    try:
        gpus = len(cards.there())
    except OSError:
        gpus = 0
    has_parts = any(image.given for image in taken.images)
    return beginning.Found(kind, str(root), trained, tested, sides, float(np.mean(greys)), has_parts, gpus)


def _seen(kind: str, root: Path, images: tuple) -> Iterator[tuple[int, bool]]:
    """The shorter side of some images, spread over all, and whether each is grey."""
    chosen = [images[row] for row in np.unique(np.linspace(0, len(images) - 1, LOOKED_AT).astype(int))]
    for image in chosen:
        # one that leaves something open is named by the study's first run, with the key to set
        how = {"value_range": None, "background": "black"}
        for _, picture in inventory.pictures(kind, root, [image], how):
            yield min(picture.shape[:2]), bool((picture[..., :1] == picture).all())


def _check(default: Path, text: str, found: beginning.Found) -> None:
    """Raise ValueError where the study could not be run, before its file is there."""
    config = _laid_over(yaml.safe_load(default.read_text(encoding="utf-8")), yaml.safe_load(text))
    configuration.check(config)
    settled = counts.settled(config, found.trained)
    configuration.check_counts(settled)
    configuration.check_tested(settled, found.tested)


def _laid_over(below: dict, above: dict) -> dict:
    nested = {key: _laid_over(below[key], above[key]) for key in above if isinstance(below.get(key), dict)}
    return {**below, **above, **nested}


if __name__ == "__main__":
    steps.run(main)
