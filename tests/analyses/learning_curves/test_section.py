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


def made(accuracies, picks=None, **options):
    right = section.correct(runs(accuracies, **options))
    table = section.compared(right, 0.02, picks)
    of_rows = section.worths(right, {name: 2 * ("+" in name) for name in accuracies})
    return table, of_rows, section.section(table, of_rows, pool=100, evaluated_on="test")


def test_a_gain_with_few_images_is_named_where_it_is_and_its_worth_with_it():
    table, of_rows, page = made({"real": (0.6, 0.7, 0.8), "real+prompts": (0.7, 0.72, 0.8)})
    own = table[table.training_set == "real+prompts"].set_index("per_class")
    assert own.verdict[3] == "better"
    assert own.difference[3] == pytest.approx(0.1, abs=0.02)
    assert own.verdict[30] != "better"
    assert page.sentences[1].startswith("real + prompts: better than real with 3 ")
    assert page.sentences[0].startswith(
        "Generated images help with 3 real images of each class (3, 10 and 30 were tried)"
    )
    assert "real + prompts by +" in page.sentences[0]
    assert "points at 3" in page.sentences[1]
    worth = of_rows.set_index(["training_set", "per_class"]).loc[("real+prompts", 3)]
    assert worth.low < 10 < worth.high
    assert worth.n_generated == 6
    assert worth.per_generated == pytest.approx((worth.worth - 3) / 6)
    assert "With 3 real images of each class, real + prompts is as good as" in page.sentences[-1]
    assert "100 real images of each class. Two draws of 30 share 30%" in page.notes[1]


def test_rows_are_equivalent_to_nothing_where_real_images_teach_nothing():
    right = section.correct(runs({"real": (0.5, 0.7, 0.9), "real+a": (0.5, 0.7, 0.9)}, between=0))
    verdict = section.compared(right, 0.2, chance=0.6).set_index(["per_class", "training_set"]).verdict
    assert verdict[3, "real+a"] == "undecided"
    assert verdict[30, "real+a"] == "equivalent"


def test_a_row_beyond_the_curve_has_no_worth_of_one_image():
    _, of_rows, _ = made({"real": (0.6, 0.7, 0.8), "prompts": (0.3, 0.35, 0.4)})
    assert (of_rows.low == 0).all()
    assert of_rows.per_generated.isna().all()


@pytest.mark.long
def test_no_gain_is_named_where_there_is_none():
    named = 0
    for seed in range(40):
        same = dict.fromkeys(("real", "real+a", "real+b"), (0.6, 0.7, 0.8))
        table = section.compared(section.correct(runs(same, seed=seed)), margin=0.02)
        said = " ".join(section.section(table, worths(), pool=100, evaluated_on="test").sentences)
        named += "better than real with" in said or "worse" in said or "Generated images help" in said
    assert named <= 5  # of 40 pages with six comparisons each; 5 % would be 2


def test_accuracies_have_a_row_for_each_classifier():
    frame = section.accuracies(runs({"real": (0.6, 0.7, 0.8), "real+prompts": (0.7, 0.72, 0.8)}))
    assert len(frame) == 2 * len(COUNTS) * DRAWS
    assert list(frame.columns[:3]) == ["training_set", "per_class", "draw"]
    assert "seed" not in frame


def test_a_row_is_compared_with_real_images_of_its_own_recipe_and_those_with_plain_ones():
    """Real images trained for longer are as good as what was generated and trained for longer: no gain."""
    planted = {
        **{"real": (0.6, 0.7, 0.8), "real+prompts": (0.7, 0.7, 0.8)},
        **{"real@long": (0.7, 0.8, 0.85), "real+prompts@long": (0.7, 0.8, 0.85), "real+prompts@other": (0.7, 0.7, 0.8)},
    }
    table, of_rows, page = made(planted)
    against = table.drop_duplicates("training_set").set_index("training_set").reference
    assert against["real+prompts@long"] == "real@long"
    assert against[["real@long", "real+prompts", "real+prompts@other"]].tolist() == ["real"] * 3
    assert list(table.training_set[:5]) == list(planted)
    at = table[table["per_class"] == 3].set_index("training_set")
    assert at.difference["real+prompts"] == pytest.approx(0.1, abs=0.02)
    assert at.difference["real+prompts@long"] == pytest.approx(0, abs=0.02)
    assert at.difference["real@long"] == pytest.approx(0.1, abs=0.02)
    assert at.verdict["real+prompts@long"] != "better"
    assert np.isnan(at.difference["real"])
    assert table.family_p.notna().sum() == 4 * len(COUNTS)
    # what long training is worth is said of the row of real images alone
    assert set(of_rows.training_set) == {"real+prompts", "real+prompts@long", "real+prompts@other"}
    worth = of_rows.set_index(["training_set", "per_class"])
    assert worth.worth[("real+prompts@long", 3)] < 4 < worth.worth[("real+prompts", 3)]
    # beside the better control the gain is gone, and the page says so
    assert (table.best_real == "real@long").all()
    assert at.over_best["real+prompts"] == pytest.approx(0, abs=0.02)
    assert page.sentences[0].endswith("Over the best of the rows of real images alone none of them is left.")
    assert any(said.startswith("real + prompts (long): ") and "real (long)" in said for said in page.sentences)
    assert "better than real with 3" in next(said for said in page.sentences if said.startswith("real (long): "))


def test_a_gain_over_the_best_control_is_said_with_its_interval():
    planted = {"real": (0.6, 0.7, 0.8), "real@strong": (0.62, 0.71, 0.8), "real+prompts": (0.75, 0.72, 0.8)}
    table, _, page = made(planted)
    row = table[(table.training_set == "real+prompts") & (table["per_class"] == 3)].iloc[0]
    assert row.over_best_low < 0.13 < row.over_best_high
    assert "rows of real images alone (real (strong)), real + prompts still gains +1" in page.sentences[0]


PICKED = {"real+useful": "real+picked", "real+typical": "real+picked"}


def test_a_criterion_that_is_better_than_a_random_pick_is_named_with_its_interval():
    planted = {"real": (0.6, 0.7, 0.8), "real+picked": (0.66, 0.72, 0.8)}
    planted |= {"real+useful": (0.76, 0.73, 0.8), "real+typical": (0.6, 0.72, 0.8)}
    table, _, page = made(planted, PICKED)
    row = table[(table.training_set == "real+useful") & (table["per_class"] == 3)].iloc[0]
    assert (row.picked, row.over_picked_verdict) == ("real+picked", "better")
    assert row.over_picked_low < 0.1 < row.over_picked_high
    assert row.over_picked == pytest.approx(row["mean"] - table[(table.training_set == "real+picked")]["mean"].iloc[0])
    assert page.sentences[1].startswith("Choosing helps: real + useful gains +")
    assert page.sentences[1].endswith("at 3 over a random pick of the same candidates.")
    assert table.over_picked_family_p.notna().sum() == 2 * len(COUNTS)
    assert (table.over_picked_family_p >= table.over_picked_p)[table.picked.notna()].all()


def test_a_gain_of_all_selections_alike_is_no_gain_of_a_criterion():
    """What is better than real images alone may be so whatever is picked."""
    same = (0.75, 0.8, 0.85)
    planted = {"real": (0.6, 0.7, 0.8), "real+picked": same, "real+useful": same, "real+typical": same}
    table, _, page = made(planted, PICKED)
    assert page.sentences[0].startswith("Generated images help")
    assert page.sentences[1].startswith(
        "No criterion is shown to be better than a random pick of the same candidates (6"
    )
    assert table[table.training_set == "real+picked"].over_picked.isna().all()


def test_without_a_random_pick_nothing_is_said_of_criteria():
    table, _, page = made({"real": (0.6, 0.7, 0.8), "real+useful": (0.8, 0.8, 0.8)})
    assert "picked" not in table
    assert not any("random pick" in said for said in page.sentences)


def test_real_images_alone_are_compared_and_no_worth_of_generated_ones_is_said():
    table, of_rows, page = made({"real": (0.6, 0.7, 0.8), "real@long": (0.7, 0.72, 0.8)})
    long = table[table.training_set == "real@long"].set_index("per_class")
    assert long.verdict[3] == "better"
    assert long.over_best_family_p.isna().all()
    assert list(of_rows.columns)[:2] == ["per_class", "training_set"]
    assert len(of_rows) == 0
    (sentence,) = page.sentences
    assert sentence.startswith("real (long): better than real with 3 ")
