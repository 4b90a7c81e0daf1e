"""Tables and sentences of learning curves say what was planted, and name no gain where none is."""

import numpy as np
import pandas as pd
import pytest

from realgap.analyses.learning_curves import section

COUNTS, DRAWS, IMAGES = (3, 10, 30), 8, 1000


def runs(accuracies, seed=0, between=0.01):
    """accuracies: training set -> its accuracy at each count; a draw is easy or hard for all training sets."""
    rng = np.random.default_rng(seed)
    labels, easy, luck = np.zeros(IMAGES, np.int64), rng.normal(size=IMAGES), rng.normal(size=DRAWS) * between * 5
    found = []
    for training_set, of_counts in accuracies.items():
        for per_class, accuracy in zip(COUNTS, of_counts, strict=True):
            for draw in range(DRAWS):
                level = 1.17 * np.log(accuracy / (1 - accuracy)) + luck[draw] + rng.normal() * between * 3
                right = rng.random(IMAGES) < 1 / (1 + np.exp(-(level + easy)))
                parts = [["real", 2 * per_class], ["made", 4 * per_class]][: 1 + ("+" in training_set)]
                found.append(
                    {
                        **{"training_set": training_set, "seed": draw, "per_class": per_class, "draw": draw},
                        **{"parts": parts, "logits": np.eye(2)[1 - right.astype(int)], "labels": labels},
                    }
                )
    return found


def worths():
    """Of every row, whatever it is."""
    rows = [(per_class, f"real+{name}", 2.0, 1.0, 3.0) for per_class in COUNTS for name in "ab"]
    return pd.DataFrame(rows, columns=["per_class", "training_set", "worth", "low", "high"])


def made(accuracies, **options):
    right = section.correct(runs(accuracies, **options))
    table = section.compared(right, margin=0.02)
    of_rows = section.worths(right, {name: 0 if name == "real" else 2 for name in accuracies})
    return table, of_rows, section.section(table, of_rows, pool=100)


def test_a_gain_with_few_images_is_named_where_it_is_and_its_worth_with_it():
    table, of_rows, page = made({"real": (0.6, 0.7, 0.8), "real+prompts": (0.7, 0.72, 0.8)})
    own = table[table.training_set == "real+prompts"].set_index("per_class")
    assert own.verdict[3] == "better"
    assert own.difference[3] == pytest.approx(0.1, abs=0.02)
    assert own.verdict[30] != "better"
    assert page.sentences[0].startswith("real + prompts: better than real with 3 ")
    assert "points at 3" in page.sentences[0]
    worth = of_rows.set_index(["training_set", "per_class"]).loc[("real+prompts", 3)]
    assert worth.low < 10 < worth.high
    assert worth.n_generated == 6
    assert worth.per_generated == pytest.approx((worth.worth - 3) / 6)
    assert "With 3 real images of each class, real + prompts is as good as" in page.sentences[-1]
    assert "100 real images of each class. Two draws of 30 share 30%" in page.notes[1]


def test_a_row_beyond_the_curve_has_no_worth_of_one_image():
    _, of_rows, _ = made({"real": (0.6, 0.7, 0.8), "prompts": (0.3, 0.35, 0.4)})
    assert (of_rows.low == 0).all()
    assert of_rows.per_generated.isna().all()


def test_no_gain_is_named_where_there_is_none():
    named = 0
    for seed in range(40):
        same = dict.fromkeys(("real", "real+a", "real+b"), (0.6, 0.7, 0.8))
        table = section.compared(section.correct(runs(same, seed=seed)), margin=0.02)
        said = " ".join(section.section(table, worths(), pool=100).sentences)
        named += "better" in said or "worse" in said
    assert named <= 5  # of 40 pages with six comparisons each; 5 % would be 2


def test_accuracies_have_a_row_for_each_classifier():
    frame = section.accuracies(runs({"real": (0.6, 0.7, 0.8), "real+prompts": (0.7, 0.72, 0.8)}))
    assert len(frame) == 2 * len(COUNTS) * DRAWS
    assert list(frame.columns[:3]) == ["training_set", "per_class", "draw"]
    assert "seed" not in frame
