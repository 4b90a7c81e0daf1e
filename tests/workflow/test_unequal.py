"""Classes of 40, 14 and 5 pictures, two with odd names, in groups of three, through every step to the page."""

import numpy as np
import pandas as pd
import pytest
import yaml

from realgap.store import naming, shards
from tests import checkout
from tests.workflow.test_own_images import put

NAMES = {"zero": 40, "große 'Eins' $x$": 14, "猫": 5}
RESULTS = "results/unequal"

# one worker, which makes the study once
pytestmark = pytest.mark.xdist_group("unequal")


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
            "groups": "patients.csv",
        },
        "prompts": {"words": {"猫": "digit two"}},
        "sampling": {"samples_per_class": 31},
        "classifier": {**checkout.REDUCED["classifier"], "class_balance": "balanced"},
        "analyses": ["saliency", "memorisation", "detection", "geometry"],
    }
    files = [path for name in NAMES for path in sorted((folder / "photographs" / name).iterdir())]
    named = [f"{path.relative_to(folder / 'photographs')},{path.parent.name}-{n // 3}" for n, path in enumerate(files)]
    (folder / "patients.csv").write_text("\n".join(["file,group", *named]), encoding="utf-8")
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
def test_images_of_one_group_are_the_unit_of_the_table(finished):
    test = shards.read(finished / RESULTS / "test.h5", "images")
    groups = test.attributes["groups"]
    assert len(groups) == len(test) > len(set(groups)) > 1
    assert not {str(path) for path in NAMES} & set(map(str, groups))  # numbers, not names
    verdicts = pd.read_csv(finished / RESULTS / "verdicts.csv")
    assert set(verdicts.n_groups) == {len(set(groups))}
    assert set(verdicts.n_test) == {len(test)}
    page = (finished / RESULTS / "report.html").read_text(encoding="utf-8")
    assert f"the {len(set(groups))} groups that the {len(test)} test images stand in" in page


@pytest.mark.long
def test_a_point_above_guessing_counts_the_most_frequent_class(finished):
    labels = shards.read(finished / RESULTS / "test.h5", "images")["labels"]
    points = pd.read_csv(finished / RESULTS / "cost/points.csv").set_index("training_set").points_above_chance
    verdicts = pd.read_csv(finished / RESULTS / "verdicts.csv").set_index("training_set")
    guessing = np.unique(labels, return_counts=True)[1].max() / len(labels)
    assert guessing > 1.1 / len(NAMES)
    assert points.to_dict() == pytest.approx((100 * (verdicts.accuracy_mean - guessing)).to_dict(), abs=1e-3)


@pytest.mark.long
def test_a_finished_study_of_unequal_classes_has_nothing_left_to_do_and_is_whole(finished):
    again = checkout.snakemake(finished, "-n", "--quiet", "all")
    assert "Nothing to be done" in again.stdout + again.stderr
    whole = checkout.snakemake(finished, target="verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
