"""Sentences and tables of scaling say what was planted, and nothing where nothing was."""

import numpy as np
import pytest

from realgap.analyses.scaling import section

SEEDS = range(4)


def run(training_set, seed, multiple, right, n=200):
    labels = np.zeros(n, np.int64)
    logits = np.eye(2, dtype=np.float32)[(np.arange(n) >= right).astype(int)]
    parts = [[training_set, 10 * multiple]]
    return {
        **{"training_set": training_set, "seed": seed, "parts": parts},
        **{"logits": logits, "labels": labels, "multiple": multiple},
    }


def test_gains_of_more_generated_images_are_paired_by_seed():
    wobble = [0, 6, 12, 18]  # of a seed, for all its points
    runs = [run("real", seed, 4, 150 + wobble[seed]) for seed in SEEDS]
    runs += [run("growing", s, m, 100 + 8 * m + wobble[s] + s % 2) for s in SEEDS for m in (4, 1, 2)]
    runs += [run("flat", s, m, 120 + wobble[s] + (-1) ** (s + m)) for s in SEEDS for m in (1, 2, 4)]
    correct = section.hits(runs)
    gained = section.gains(correct, 0.02, chance=0.5).set_index("training_set")
    assert gained.gain["growing"] == pytest.approx(0.12)
    assert gained.low["growing"] > 0.05
    assert gained.verdict.to_dict() == {"growing": "better", "flat": "equivalent"}
    table = section.table(correct, 0.02, chance=0.5)
    assert table[table.training_set == "real"]["mean"].nunique() == 1
    assert table[table.training_set == "real"].multiple.tolist() == [1, 2, 4]
    made = section.section(table, gained.reset_index(), 0.02)
    assert made.sentences[0].startswith("growing: from 1 to 4 generated images per real one it gains (+12.0 points, ")
    assert made.sentences[1].startswith("flat: from 1 to 4 generated images per real one it stays within ±2 points (")
    assert made.sentences[0].endswith("against real: ▼ worse.")
    observed = section.accuracies(runs, [1, 2, 4])
    assert len(observed) == 4 * (3 + 3 + 3)


def test_one_seed_says_no_direction():
    runs = [run("real", 0, 4, 150), run("growing", 0, 1, 100), run("growing", 0, 4, 190)]
    correct = section.hits(runs)
    made = (one(correct, 0.02, 0.5) for one in (section.table, section.gains))
    (sentence,) = section.section(*made, 0.02).sentences
    assert "it moves, too few to say which way (+45.0 points, one seed)" in sentence


def test_nothing_stays_within_the_margin_of_what_has_learned_nothing():
    runs = [run("real", s, 4, 120 + s) for s in SEEDS]
    runs += [run("flat", s, m, 120 + s + (-1) ** (s + m)) for s in SEEDS for m in (1, 4)]
    correct = section.hits(runs)
    usual, guessing = ((section.table(correct, 0.02, c), section.gains(correct, 0.02, c)) for c in (0.5, 0.7))
    for learned, not_learned in zip(usual, guessing, strict=True):
        flat = learned.training_set == "flat"
        assert set(learned.verdict[flat]) == {"equivalent"}
        assert set(not_learned.verdict[flat]) == {"undecided"}
