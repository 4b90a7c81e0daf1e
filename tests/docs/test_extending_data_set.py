"""The example of a data set in workflow/docs/extend.md: added in three files as the page says, and extracted."""

import re
import shutil
import struct

import numpy as np
import pytest
import yaml

from realgap.store import shards
from tests import checkout

pytestmark = pytest.mark.long

SECTION = (checkout.ROOT / "workflow/docs/extend.md").read_text().split("\n## A data set\n")[1]
IN_A_CLASS = 120


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.M | re.S)


def as_published(root, part, images, labels):
    """The two files of a part of Fashion-MNIST: big-endian sizes, then bytes."""
    for name, values in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        header = struct.pack(f">4B{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
        (root / name).write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A checkout with the files of the example, and made-up clothes in the published layout."""
    folder = checkout.copy(tmp_path_factory.mktemp("extended") / "checkout")
    for path, code in zip(("catalog.py", "loaders.py"), blocks("python"), strict=True):
        with open(folder / "workflow/realgap/data" / path, "a") as module:
            module.write(f"\n\n{code}")
    (study,) = blocks("yaml")
    (prompts,) = blocks("text")
    (folder / "resources/prompts/fashion.txt").write_text(prompts)
    (folder / "fashion.yaml").write_text(study)
    root = folder / yaml.safe_load(study)["dataset"]["root"] / "FashionMNIST/raw"
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 10 * IN_A_CLASS), ("t10k", 20)):
        as_published(root, part, random.integers(0, 256, (count, 28, 28)), np.arange(count) % 10)
    yield folder
    shutil.rmtree(folder)


def test_its_images_are_extracted_with_the_labels_and_ids_that_the_page_says(extended):
    target = "results/fashion/real/coat/0.h5"
    run = checkout.snakemake(extended, "--cores", "1", target=target, study="fashion.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    coats = shards.read(extended / target, "images")
    assert coats["images"].shape == (100, 32, 32, 3)
    assert set(coats["labels"]) == {4}
    assert set(coats["image_ids"]) < set(range(4, 10 * IN_A_CLASS, 10))
