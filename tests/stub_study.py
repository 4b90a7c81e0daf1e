"""A study of many small artefacts that a stand-in for python makes at once: what is left is Snakemake's own work."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import yaml

from tests import checkout

# in place of python: notes the files that a rule wants, and makes them
STUB = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
        --out|--accuracies|--table|--verdicts|--pairs|--metrics|--section) mkdir -p "$(dirname "$2")"; echo x >"$2" ;;
        --accuracy|--samples|--overview) mkdir -p "$(dirname "$2")"; echo x >"$2"; echo x >"$3" ;;
        --shards) case $2 in @*) wc -l <"${2#@}" ;; esac ;;
    esac
    shift
done
"""
SHARDS_OF_A_SLICE = 6  # real, moments, embeddings, vae_only and two sources of samples


def make(folder: Path, classes: int, slices: int, rows: Sequence[str] | None = None) -> dict[str, str]:
    """A checkout in `folder` with study.yaml of `classes` of `slices` shards; the environment to run Snakemake in.

    rows: its training sets; None: those of the reduced study.

    The stub makes one file a rule: `--until tabulate` is as far as it reaches.
    """
    checkout.copy(folder)
    class_names = [f"a_class_of_images_{n:04d}" for n in range(classes)]
    dataset = {"name": "hdf5", "root": "data.h5", "images_per_class": 2 * slices, "images_per_shard": 2}
    study = {
        **checkout.REDUCED,
        "study": "stub",
        "dataset": {**dataset, "classes": class_names},
        "seeds": [0],
        "analyses": [],
        "training_sets": list(rows or checkout.REDUCED["training_sets"]),
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    # steps find the stub and no warm server
    (folder / "workflow" / "warm.py").write_text("def start(in_turn=False):\n    pass\n")
    with h5py.File(folder / "data.h5", "w") as file:
        file.attrs["class_names"] = class_names
        for part, each in (("train", 2 * slices), ("test", 1)):
            file[f"{part}/images"] = _images(classes * each, tested=part == "test")
            file[f"{part}/labels"] = np.repeat(np.arange(classes), each)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(STUB)
    (folder / "bin" / "python").chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _images(n: int, tested: bool) -> np.ndarray:
    """Images uint8 (n, 2, 2, 3), no two alike, those that are tested on and the others included."""
    number = np.arange(n, dtype="<u8").view(np.uint8).reshape(n, 8)
    return np.concatenate([number, np.full((n, 4), int(tested), np.uint8)], 1).reshape(n, 2, 2, 3)


def command(*arguments: str) -> list[str]:
    """Snakemake on the study, as far as the stub reaches."""
    study = ["--configfile", "study.yaml", "--scheduler", "greedy", "--until", "tabulate"]
    return [sys.executable, "-m", "snakemake", *study, *arguments]
