"""Sentences and tables of errors say what was planted, and nothing where nothing was."""

import numpy as np
import pytest

from realgap.analyses.errors import section
from realgap.report import tables
from realgap.store.shards import Shard

SEEDS = range(4)


NAMES = ["a", "b", "c"]


def predicted(training_set, seed, accuracy, n=300):
    """Predictions that are right with probability accuracy (n,), else the next class, and sure of themselves."""
    random = np.random.default_rng([seed, len(training_set)])
    labels = np.arange(n) % 3
    called = np.where(random.random(n) < accuracy, labels, (labels + 1) % 3)
    arrays = {"logits": 4 * np.eye(3, dtype=np.float32)[called], "labels": labels, "image_ids": np.arange(n)}
    return Shard(arrays, {"training_set": training_set, "seed": seed})


@pytest.fixture
def failing():
    """`edge` fails on far images only, `lost` on class b only; the distance of image i is i."""
    n = 300
    bin_of = np.arange(n) * 3 // n
    runs = [
        predicted(key, seed, accuracy)
        for key, accuracy in (
            ("real", np.full(n, 0.95)),
            ("edge", np.where(bin_of == 2, 0.5, 0.95)),
            ("lost", np.where(np.arange(n) % 3 == 1, 0.5, 0.95)),
        )
        for seed in SEEDS
    ]
    return runs, section.observations(runs, NAMES, np.arange(n), bin_of)


def test_losing_the_edge_and_losing_a_class_are_told_apart(failing):
    runs, observed = failing
    answered = section.answer(observed, runs, bins=10).set_index(["training_set", "metric"])
    assert answered.verdict["edge", "edge_loss"].endswith(
        "further behind at the edge of the real training data than near it"
    )
    assert answered.difference["edge", "edge_loss"] == pytest.approx(0.45, abs=0.12)
    assert answered.verdict["edge", "nearest"].startswith("no difference to real: ")
    assert answered.verdict["edge", "edge"].startswith("worse than real by 0.4")
    assert answered.verdict["lost", "edge_loss"].startswith("as far behind at the edge")
    assert answered.verdict["lost", "calibration_error"].startswith("worse than real by 0.1")
    assert answered.verdict["real", "accuracy"] == "reference"


def test_the_section_names_the_class_and_the_confusion(failing):
    runs, observed = failing
    by_class, confused = tables.over_seeds(observed, "correct", ["class"]), section.confusions(observed, NAMES)
    made = section.section(section.answer(observed, runs, 10), by_class, confused, 3)
    (lost,) = (sentence for sentence in made.sentences if sentence.startswith("lost: "))
    assert "Most is lost on b (-4" in lost
    assert "b is called c more often by 4" in lost
    none = confused.assign(low=-0.1)  # no interval excludes zero, so nothing is named
    quiet = section.section(section.answer(observed, runs, 10), by_class.assign(difference_high=0.1), none, 3)
    assert all(sentence.endswith("No class and no confusion stands out.") for sentence in quiet.sentences)
    cells = confused.set_index(["training_set", "class", "predicted"])
    assert cells.share["lost", "b", "c"] == pytest.approx(0.5, abs=0.08)
    assert np.isnan(cells.difference["real", "a", "a"])
    bins = section.reliability(runs, 10)
    assert bins.groupby(["training_set", "seed"]).n_images.sum().tolist() == [300] * 12
