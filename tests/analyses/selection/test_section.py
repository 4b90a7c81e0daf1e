"""The sentences say that choosing helps where it was planted, and that labels suffer where they do."""

import numpy as np
import pandas as pd
import pytest

from realgap.analyses.selection import section
from realgap.statistics.differences import paired

CONTROLS = {
    "real+useful": {"picked": "real+picked", "all": "real+many"},
    "real+typical": {"picked": "real+picked", "all": "real+many"},
    "real+picked": {"all": "real+many"},
}
SAMPLED = dict.fromkeys(CONTROLS, 4)


def correct(accuracies, seeds=5, images=1500, seed=0):
    """training set -> (seeds, images) bool; images are easy or hard for all."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(size=images)
    return {
        name: rng.random((seeds, images)) < 1 / (1 + np.exp(-(1.17 * np.log(a / (1 - a)) + ease)))
        for name, a in accuracies.items()
    }


def chosen(**label_errors):
    rows = [
        {"source": name, "of": "many" if name != "many" else None, "n": 100, "refused": 0, "label_errors": value,
         "low": max(0, value - 0.03), "high": value + 0.03, "vendi": 3.0, "sharpness": 0.1, "effective_area": 0.5}
        for name, value in label_errors.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def said(accuracies, of=None, **options):
    table = section.gains(correct(accuracies, **options), CONTROLS, SAMPLED, 0.02)
    of = chosen(many=0.05, useful=0.06) if of is None else of
    return table, section.section(table, of).sentences


def test_a_criterion_that_helps_is_named_over_both_controls_with_what_a_point_costs():
    table, sentences = said({"real+useful": 0.86, "real+typical": 0.7, "real+picked": 0.8, "real+many": 0.81})
    assert sentences[0].startswith("real + useful gains +")
    assert sentences[0].endswith("over a random pick of the same candidates.")
    assert sentences[1].startswith("real + useful gains +")
    assert sentences[1].endswith("over all candidates.")
    row = table[(table.training_set == "real+useful") & (table.control == "picked")].iloc[0]
    assert row.sampled_per_point == pytest.approx(4 / (100 * row.difference))
    assert table[table.training_set == "real+typical"].sampled_per_point.isna().all()


def test_differences_are_those_of_the_same_seeds_and_images():
    right = correct({"real+useful": 0.83, "real+typical": 0.8, "real+picked": 0.8, "real+many": 0.81})
    table = section.gains(right, CONTROLS, SAMPLED, 0.02)
    row = table[(table.training_set == "real+useful") & (table.control == "picked")].iloc[0]
    found = paired(right["real+useful"], right["real+picked"])
    assert (row.difference, row.difference_low, row.difference_high) == pytest.approx(found[:3])
    assert (table.family_p >= table.p_value).all()
    assert len(table) == 5


def test_a_selection_is_equivalent_to_nothing_where_its_control_has_learned_nothing():
    right = correct(dict.fromkeys(("real+useful", "real+typical", "real+picked", "real+many"), 0.8))
    usual, chance = (section.gains(right, CONTROLS, SAMPLED, 0.2, chance).verdict for chance in (0.0, 0.9))
    assert (usual == "equivalent").sum() == 3
    assert (chance[usual == "equivalent"] == "undecided").all()
    assert (chance[usual != "equivalent"] == usual[usual != "equivalent"]).all()  # a difference that is told stands


@pytest.mark.long
def test_no_criterion_is_named_where_none_helps():
    same, named = dict.fromkeys(("real+useful", "real+typical", "real+picked", "real+many"), 0.8), 0
    for seed in range(60):
        named += any("gains" in one for one in said(same, seed=seed, seeds=4, images=300)[1])
    assert named <= 8  # of 60 studies with two families of sentences; 5 % would be 3
    assert (
        said(same)[1][0] == "No criterion is shown to be better than a random pick of the same candidates (2 compared)."
    )


def test_one_seed_is_too_few_and_says_nothing():
    table, sentences = said({"real+useful": 0.9, "real+typical": 0.8, "real+picked": 0.8, "real+many": 0.8}, seeds=1)
    assert sentences[:2] == [
        "With one seed it cannot be said whether a criterion is better than a random pick of the same candidates.",
        "With one seed it cannot be said whether a criterion is better than all candidates.",
    ]
    assert table.family_p.isna().all()


def test_a_selection_whose_labels_are_worse_than_its_candidates_is_named():
    same = dict.fromkeys(("real+useful", "real+typical", "real+picked", "real+many"), 0.8)
    sentences = said(same, chosen(many=0.05, useful=0.30, typical=0.06))[1]
    assert sentences[-1].startswith(
        "useful keeps more images whose label is not predicted than its candidates have (30% "
    )
    assert not any("typical keeps" in one for one in sentences)
