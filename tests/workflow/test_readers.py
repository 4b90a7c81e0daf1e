"""Data sets of every kind through the workflow: from where they lie to the training set and the test set of a study."""

import subprocess

import numpy as np
import pytest
import yaml

from realgap.store import naming, shards
from tests import checkout, data_sets


@pytest.fixture(scope="module")
def checked_out(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("readers") / "checkout")
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("        warm.start()\n", "        pass\n"))
    return folder


@pytest.mark.parametrize("write", data_sets.WRITERS, ids=lambda write: write.__name__)
def test_a_study_of_any_kind_of_data_set_trains_and_tests_on_the_images_that_are_for_it(checked_out, tmp_path, write):
    (tmp_path / "set").mkdir()
    kind, root = write(tmp_path / "set")
    dataset = {
        "name": kind,
        "root": str(root),
        "classes": "all",
        "images_per_class": "up to 25",
        "images_per_shard": 15,
    }
    study = {"study": f"of_{kind}", "dataset": {**dataset, "image_size": 8}, "analyses": []}
    (checked_out / "study.yaml").write_text(yaml.safe_dump(study))
    results = checked_out / f"results/of_{kind}"
    targets = [f"results/of_{kind}/{name}" for name in ("training_sets/real.h5", "test.h5", "inventory.csv")]
    command = ["snakemake", "--configfile", "study.yaml", "--", *targets]
    run = subprocess.run(command, cwd=checked_out, env=checkout.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    for name, part in (("training_sets/real.h5", "train"), ("test.h5", "test")):
        made = shards.read(results / name, "images")
        name_of = {label: name for name, label in made.attributes[naming.KEY].items()}
        truth = {np.asarray(data_sets.picture(row)).tobytes() for row in data_sets.ROWS[part]}
        assert {image.tobytes() for image in made["images"]} <= truth
        for image, label in zip(made["images"], made["labels"].tolist(), strict=True):
            assert data_sets.TRUTH[image.tobytes()] == name_of[label]
        counts = np.unique(made["labels"], return_counts=True)[1]
        assert len(counts) == 3
        assert counts.max() == 25 if part == "train" else counts.sum() == len(truth)
