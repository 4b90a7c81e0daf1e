"""Sentences and tables of scaling say what was planted, and nothing where nothing was."""

import numpy as np
import pytest

from realgap.analyses.scaling import section
from realgap.report import tables

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
    observed = section.accuracies(runs, [1, 2, 4])
    gained = section.gains(observed).set_index("training_set")
    assert gained.gain["growing"] == pytest.approx(0.12)
    assert gained.low["growing"] > 0.11
    assert gained.verdict["growing"].startswith("gains +12.0 points")
    assert gained.verdict["flat"].startswith("no gain that the seeds can see")
    table = tables.over_seeds(observed, "accuracy", ["multiple"])
    assert table[table.training_set == "real"]["mean"].nunique() == 1
    made = section.section(table, gained.reset_index())
    assert made.sentences[0].startswith("growing: gains +12.0 points (95 % interval ")
    assert "from 1 to 4 generated images per real one" in made.sentences[0]
