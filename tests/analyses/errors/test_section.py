"""Sentences and tables of errors say what was planted, and nothing where nothing was."""

import numpy as np
import pytest

from realgap.analyses.errors import section
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
    assert answered.verdict["edge", "edge_kept"].startswith(
        "keeps less than real of its accuracy above chance at the edge"
    )
    assert answered["mean"]["edge", "edge_kept"] == pytest.approx((0.5 - 1 / 3) / (0.95 - 1 / 3), abs=0.12)
    assert answered.verdict["edge", "nearest"].startswith("no difference to real: ")
    assert answered.verdict["edge", "edge"].startswith("worse than real by 0.4")
    assert answered.verdict["lost", "edge_loss"].startswith("as far behind at the edge")
    assert answered.verdict["lost", "calibration_error"].startswith("worse than real by 0.1")
    assert answered.verdict["real", "accuracy"] == "reference"


def test_the_section_names_the_class_and_the_confusion(failing):
    runs, observed = failing
    by_class, confused = section.by_class(observed, NAMES), section.confusions(observed, NAMES)
    made = section.section(section.answer(observed, runs, 10), by_class, confused, 3)
    (lost,) = (sentence for sentence in made.sentences if sentence.startswith("lost: "))
    assert "Most is lost on b (-4" in lost
    assert "b is called c more often by 4" in lost
    quiet = section.section(
        section.answer(observed, runs, 10), by_class.assign(family_p=0.06), confused.assign(family_p=0.06), 3
    )
    assert all(sentence.endswith("No class and no confusion stands out.") for sentence in quiet.sentences)
    cells = confused.set_index(["training_set", "class", "predicted"])
    assert cells.share["lost", "b", "c"] == pytest.approx(0.5, abs=0.08)
    assert np.isnan(cells.difference["real", "a", "a"])
    bins = section.reliability(runs, 10)
    assert bins.groupby(["training_set", "seed"]).n_images.sum().tolist() == [300] * 12


def test_the_largest_of_many_cells_that_differ_by_chance_is_not_named():
    """Two training sets that err alike, each with classes and confusions whose own interval excludes zero."""
    named, alone = [], []
    for study in range(20):
        runs = [
            predicted(key, 100 * study + seed, np.full(600, 0.8), 600) for key in ("real", "alike") for seed in range(3)
        ]
        observed = section.observations(runs, NAMES, np.arange(600), np.arange(600) // 300)
        classes, confused = section.by_class(observed, NAMES), section.confusions(observed, NAMES)
        made = section.section(section.answer(observed, runs, 10), classes, confused, 2)
        named.append("No class and no confusion stands out." not in made.sentences[0])
        alone.append((classes.difference_high < 0).any() or (confused.low > 0).any())
    assert sum(named) <= 3
    assert sum(alone) > sum(named)


def test_a_class_without_images_has_no_p_and_the_diagonal_neither(failing):
    _, observed = failing
    confused = section.confusions(observed[observed["class"] != "c"], NAMES).set_index(
        ["training_set", "class", "predicted"]
    )
    assert np.isnan(confused.family_p["lost", "a", "a"])
    assert np.isnan(confused.family_p["lost", "c", "a"])
    assert confused.family_p["lost", "b", "c"] < 0.05
    assert np.isnan(confused.family_p["real", "b", "c"])
