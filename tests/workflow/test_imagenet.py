"""ImageNet-1k, which nobody may pass on: planned before it is there, refused before any job, counted where it lies."""

import re
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from realgap.data import imagenet
from tests import checkout

STUDY = {
    "study": "few",
    "dataset": {
        **{"name": "imagenet", "root": "pictures", "classes": ["tench", "goldfish"]},
        **{"images_per_class": "all", "images_per_shard": 2, "image_size": 16},
    },
    "training_sets": ["real", "vae_only"],
    "analyses": [],
}
SHARD = "results/few/real/goldfish/1.h5"


@pytest.fixture
def copy(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def put(folder):
    """Pictures of the two classes: four and three to train on, two of each to test on."""
    names, random = {name: wnid for wnid, name in imagenet.CLASSES.items()}, np.random.default_rng(0)
    for name, count in {"tench": 4, "goldfish": 3}.items():
        for part, images in {"train": count, "val": 2}.items():
            here = folder / "pictures" / part / names[name]
            here.mkdir(parents=True)
            for number in range(images):
                Image.fromarray(random.integers(0, 256, (20, 16, 3), np.uint8)).save(here / f"{number}.png")


def shards(planned):
    return int(re.search(r"^extract_shard +(\d+)", planned.stdout, re.MULTILINE)[1])


def test_it_is_planned_with_an_average_before_it_is_there_and_no_run_starts(copy):
    planned = checkout.snakemake(copy, "-n", "--quiet", "rules")
    assert "dataset.root: pictures is not there; 1,281 images a class are counted" in planned.stderr
    assert "before that: fetch_dataset, no pictures/train" in planned.stdout
    assert shards(planned) == 2 * 641
    run = checkout.snakemake(copy, target=SHARD)
    assert run.returncode != 0
    (line,) = re.findall(r"^error: .*$", run.stdout + run.stderr, re.MULTILINE)
    assert line.startswith("error: dataset.root: must hold train/<wnid>/ and val/<wnid>/; imagenet is not downloaded")
    assert "Traceback" not in run.stdout + run.stderr
    assert not (copy / SHARD).exists()


def test_its_images_are_counted_where_they_lie_and_what_is_made_stays_when_they_are_gone(copy):
    put(copy)
    assert shards(checkout.snakemake(copy, "-n", "--quiet", "rules")) == 2 + 2
    run = checkout.snakemake(copy, target=SHARD)
    assert run.returncode == 0, run.stdout + run.stderr
    shutil.rmtree(copy / "pictures")
    again = checkout.snakemake(copy, target=SHARD)
    assert "Nothing to be done" in again.stdout + again.stderr
