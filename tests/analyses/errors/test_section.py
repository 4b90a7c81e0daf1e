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
    answered = section.answer(observed, runs, bins=10, margin=0.02).set_index(["training_set", "metric"])
    assert answered.verdict["edge", "edge_kept"] == "worse"
    assert answered["mean"]["edge", "edge_kept"] == pytest.approx((0.5 - 1 / 3) / (0.95 - 1 / 3), abs=0.12)
    assert answered.verdict["edge", "nearest"] == "equivalent"
    assert answered.verdict["edge", "edge"] == "worse"
    assert answered.difference["edge", "edge"] == pytest.approx(-0.45, abs=0.06)
    assert answered.verdict["lost", "edge_kept"] == "undecided"
    assert answered.verdict["lost", "calibration_error"] == "worse"
    assert answered.difference["lost", "calibration_error"] == pytest.approx(0.15, abs=0.05)
    assert answered.verdict["real", "accuracy"] == "reference"


def test_the_accuracy_of_the_section_is_that_of_the_study_s_table(failing):
    runs, observed = failing
    answered = section.answer(observed, runs, bins=10, margin=0.02).query("metric == 'accuracy'")
    judged = tables.verdicts([{**run.arrays, **run.attributes, "parts": [["real", 3]]} for run in runs], 0.02)
    assert answered["mean"].tolist() == judged.accuracy_mean.tolist()
    np.testing.assert_array_equal(answered.difference_low, judged.difference_low)


def test_what_is_far_is_not_as_well_known_as_by_real_images_that_guess_there():
    """Real images know what is near; of what is far both rows know as much as a coin."""
    n = 3000
    bin_of = np.arange(n) * 2 // n
    runs = [
        predicted(key, seed, np.where(bin_of == 1, 1 / 3, 0.95), n) for key in ("real", "same") for seed in range(9)
    ]
    answered = section.answer(section.observations(runs, NAMES, np.arange(n), bin_of), runs, bins=10, margin=0.05)
    same = answered[answered.training_set == "same"].set_index("metric")
    assert same.verdict[["nearest", "edge"]].tolist() == ["equivalent", "undecided"]
    assert -0.05 < same.difference_low["edge"] < same.difference_high["edge"] < 0.05


def made_of(failing, **changes):
    runs, observed = failing
    by_class, confused = section.by_class(observed, NAMES), section.confusions(observed, NAMES)
    answered = section.answer(observed, runs, 10, 0.02)
    return section.section(answered, by_class.assign(**changes), confused.assign(**changes), 3, 0.02)


def test_the_section_names_the_class_and_the_confusion(failing):
    (lost,) = (sentence for sentence in made_of(failing).sentences if sentence.startswith("lost: "))
    assert "Most is lost on b (-4" in lost
    assert "b is called c more often by 4" in lost
    quiet = made_of(failing, family_p=0.06)
    assert all(sentence.endswith("No class and no confusion stands out.") for sentence in quiet.sentences)
    runs, observed = failing
    cells = section.confusions(observed, NAMES).set_index(["training_set", "class", "predicted"])
    assert cells.share["lost", "b", "c"] == pytest.approx(0.5, abs=0.08)
    assert np.isnan(cells.difference["real", "a", "a"])
    bins = section.reliability(runs, 10)
    assert bins.groupby(["training_set", "seed"]).n_images.sum().tolist() == [300] * 12


def test_the_sentences_say_verdicts_one_way(failing):
    edge, lost = made_of(failing).sentences
    assert edge.startswith("edge: keeps less than real of its accuracy above chance at the edge of the real")
    assert "worse calibrated than real (+" in lost
    assert "what it keeps of its accuracy above chance at the edge of the real training data is not told apart" in lost


def test_the_largest_of_many_cells_that_differ_by_chance_is_not_named():
    """Two training sets that err alike, each with classes and confusions whose own interval excludes zero."""
    named, alone = [], []
    for study in range(20):
        runs = [
            predicted(key, 100 * study + seed, np.full(600, 0.8), 600) for key in ("real", "alike") for seed in range(3)
        ]
        observed = section.observations(runs, NAMES, np.arange(600), np.arange(600) // 300)
        classes, confused = section.by_class(observed, NAMES), section.confusions(observed, NAMES)
        made = section.section(section.answer(observed, runs, 10, 0.02), classes, confused, 2, 0.02)
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
