"""Classes of 40, 14 and 5 pictures, two of them with odd names, through every step to the page."""

import numpy as np
import pandas as pd
import pytest
import yaml

from realgap.store import naming, shards
from tests import checkout
from tests.workflow.test_own_images import put

NAMES = {"zero": 40, "große 'Eins' $x$": 14, "猫": 5}
RESULTS = "results/unequal"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = checkout.copy(tmp_path_factory.mktemp("unequal") / "checkout")
    for digit, (name, count) in enumerate(NAMES.items()):
        put(folder / "photographs" / name, digit, 0, count)
    study = {
        **checkout.REDUCED,
        "study": "unequal",
        "dataset": {
            "name": "image_folder",
            "root": "photographs",
            "classes": "all",
            "images_per_class": "up to 30",
            "images_per_shard": 8,
            "image_size": 8,
        },
        "prompts": {"words": {"猫": "digit two"}},
        "sampling": {"samples_per_class": 31},
        "classifier": {**checkout.REDUCED["classifier"], "class_balance": "balanced"},
        "analyses": ["saliency", "memorisation", "detection", "geometry"],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")
    run = checkout.snakemake(folder)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    return folder


def of_each(path):
    """class -> its images in a training set, source by source."""
    made = shards.read(path, "images")
    name_of = {label: name for name, label in made.attributes[naming.KEY].items()}
    ends = np.cumsum([count for _, count in made.attributes["parts"]])[:-1]
    return [
        {name_of[label]: count for label, count in zip(*np.unique(part, return_counts=True), strict=True)}
        for part in np.split(made["labels"], ends)
    ]


@pytest.mark.long
def test_real_images_are_as_many_as_there_are_and_generated_ones_equally_many(finished):
    (real,) = of_each(finished / RESULTS / "training_sets/real.h5")
    assert real["zero"] == 30
    assert 2 <= real["猫"] < real["große 'Eins' $x$"] < 14
    again, prompts = of_each(finished / RESULTS / "training_sets/real+stable_diffusion.h5")
    assert again == real
    assert prompts == dict.fromkeys(NAMES, 31)
    (inverted,) = of_each(finished / RESULTS / "training_sets/diffusion_inversion.h5")
    assert inverted == dict.fromkeys(NAMES, 31)
    (control,) = of_each(finished / RESULTS / "training_sets/vae_only.h5")
    assert control == real


@pytest.mark.long
def test_tables_and_the_page_call_classes_by_their_names(finished):
    found = pd.read_csv(finished / RESULTS / "metrics.csv")
    assert set(found["class"].dropna()) == set(NAMES)
    page = (finished / RESULTS / "report.html").read_text(encoding="utf-8")
    assert "Class 猫" in page
    assert "Class große &#39;Eins&#39; $x$" in page
    assert "Does each class count alike?" in page


@pytest.mark.long
def test_a_finished_study_of_unequal_classes_has_nothing_left_to_do_and_is_whole(finished):
    again = checkout.snakemake(finished, "-n", "--quiet", "all")
    assert "Nothing to be done" in again.stdout + again.stderr
    whole = checkout.snakemake(finished, target="verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
