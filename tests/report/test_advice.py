"""realgap.report.advice: what a page says to do next follows from the numbers, whichever way they point."""

import re

import numpy as np
import pandas as pd
import pytest

from realgap.report import advice
from tests import pages

REAL = [0.90, 0.91, 0.92]
ALIKE, UNSURE = [0.9] * 10, [0.93, 0.90, 0.94]


def said(sensitivities=ALIKE, margin=0.02, **by_seed):
    by_seed = {
        name.replace("_and_", "+").replace("_by_", "@"): values for name, values in {"real": REAL, **by_seed}.items()
    }
    tables = pages.verdicts(by_seed, margin), pages.pairs(by_seed, margin)
    return advice.next_steps(*tables, pages.sensitivities(*sensitivities))


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ([0.95, 0.96, 0.97], "Generated images help here: real + made +5.0 ("),
        (UNSURE, "Whether generated images help here cannot be told yet: real + made +1.3 ("),
        ([0.85, 0.86, 0.87], "Generated images are not worth their cost here: real + made \N{MINUS SIGN}5.0 ("),
        ([0.901, 0.909, 0.921], "Generated images are not worth their cost here: real + made"),
    ],
)
def test_the_first_step_is_yes_no_or_not_yet(added, says):
    assert said(real_and_made=added, margin=0.03)[0].startswith(says)


def test_a_gain_within_the_margin_is_not_worth_its_cost():
    assert "not worth" in said(real_and_made=np.add(REAL, 0.01), margin=0.05)[0]


def test_what_cannot_be_told_says_what_it_takes():
    assert re.search(r"To know it to a point takes \d+ seeds \(real \+ made\)\.$", said(real_and_made=UNSURE)[0])
    assert said(real=[0.9], real_and_made=[0.91])[0].endswith("takes three seeds or more (real + made).")


def test_rows_that_take_as_much_are_named_together():
    first = said(real=[0.9], real_and_made=[0.91], real_and_other=[0.92])[0]
    assert first.endswith("takes three seeds or more (real + made, real + other).")


def test_one_of_several_rows_that_helps_is_named_alone():
    first = said(real_and_made=[0.95, 0.96, 0.97], real_and_other=[0.90, 0.91, 0.92])[0]
    assert "real + made" in first
    assert "real + other" not in first
    assert "by chance" in first


def test_a_study_that_adds_nothing_is_told_what_to_ask():
    assert "add rows such as real+diffusion_inversion" in said(made=[0.8, 0.81, 0.82])[0]


HELPED, MORE = [0.95, 0.96, 0.97], [0.98, 0.985, 0.99]


def test_training_that_gains_as_much_without_an_image_comes_before_more_images():
    steps = said(real_and_made=HELPED, real_by_strong=MORE, real_and_made_by_strong=np.add(MORE, [0.001, -0.001, 0]))
    assert steps[0].startswith("Generated images help here: real + made +5.0 (")
    assert re.fullmatch(
        r"Train by the recipe strong first: it costs no image, and real \(strong\) \+7\.5 \(.*?\) points are more than "
        r"real \+ made gains\. Beside it generated images are not seen to help: real \+ made \(strong\) \+0\.0 \(.*?\) "
        r"points\.",
        steps[1],
    )
    still = said(real_and_made=HELPED, real_by_strong=HELPED, real_and_made_by_strong=MORE)[1]
    assert "points are as much as real + made gains. Beside it generated images still help: real + made (stro" in still
    assert "rows such as real+diffusion_inversion@strong" in said(real_and_made=HELPED, real_by_strong=MORE)[1]


@pytest.mark.parametrize(
    ("added", "strong"), [(MORE, [0.93, 0.94, 0.95]), (HELPED, REAL), (REAL, HELPED), (HELPED, UNSURE)]
)
def test_training_that_gains_less_or_nothing_is_no_advice(added, strong):
    assert not any("recipe" in step for step in said(real_and_made=added, real_by_strong=strong))


def test_real_images_near_chance_come_before_all_else():
    near = said(real=[0.09, 0.10, 0.11], real_and_made=[0.3, 0.31, 0.32])
    assert len(near) == 1
    assert near[0].startswith("First the real images: they are not told apart from guessing (10.0 %, ")


def test_the_weakest_class_is_named_where_it_is_told_from_the_others_among_all():
    steps = said([*[0.9] * 9, 0.7], real_and_made=REAL)
    assert steps[1] == (
        "Of class 9 the real images teach least: 70.0 % of its test images are right, 90.0 % of the others. "
        "Look there first when you collect more."
    )
    assert len(said([*[0.9] * 9, 0.86], real_and_made=REAL)) == 1


def test_classes_that_are_alike_are_seldom_told_apart():
    judged, random = (pages.verdicts({"real": REAL}), pages.pairs({"real": REAL})), np.random.default_rng(0)
    drawn = [pages.sensitivities(*random.binomial(100, 0.8, 10) / 100) for _ in range(1000)]
    assert sum(len(advice.next_steps(*judged, one)) - 1 for one in drawn) <= 60


def priced(**by_row):
    """Seconds a point with their bounds."""
    rows = [(name.replace("_and_", "+"), *seconds) for name, seconds in by_row.items()]
    bounds = [f"s_per_point_gained{end}" for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["training_set", *bounds])


@pytest.mark.parametrize(
    ("others", "says"),
    [
        (
            (50, 40, 90),
            "real + made costs least for each point gained: real + made 10 s (8 s to 12 s); real + other 50 s",
        ),
        (
            (11, 9, 20),
            "None of them is told to cost least for each point gained: real + made 10 s (8 s to 12 s); real +",
        ),
    ],
)
def test_of_rows_that_help_the_cheapest_is_named_where_it_is_told(others, says):
    rows = {"real": REAL, "real+made": HELPED, "real+other": MORE}
    costs = priced(real=(np.nan,) * 3, real_and_made=(10, 8, 12), real_and_other=others)
    steps = advice.next_steps(pages.verdicts(rows), pages.pairs(rows), pages.sensitivities(*ALIKE), costs)
    assert steps[1].startswith(says)
    one = {key: rows[key] for key in ("real", "real+made")} | {"real+other": REAL}
    assert len(advice.next_steps(pages.verdicts(one), pages.pairs(one), pages.sensitivities(*ALIKE), costs)) == 1


def balanced(**differences):
    """Rows of balanced accuracy beside the sensitivities of three classes alike."""
    rows = [
        {"training_set": name.replace("_and_", "+"), "metric": "balanced_accuracy", "class": "", "n_images": 300,
         "mean": 0.8, "difference": value, "difference_low": value - 0.03, "difference_high": value + 0.03}
        for name, value in differences.items()
    ]  # fmt: skip
    return pd.concat([pages.sensitivities(*ALIKE), pd.DataFrame(rows)], ignore_index=True)


@pytest.mark.parametrize(("difference", "told"), [(-0.075, True), (-0.02, False), (0.08, True)])
def test_a_row_that_is_told_from_real_only_where_each_class_counts_alike_is_named(difference, told):
    by_seed = {"real": REAL, "real+made": UNSURE}
    tables = pages.verdicts(by_seed, 0.02), pages.pairs(by_seed, 0.02)
    steps = advice.next_steps(*tables, balanced(real_and_made=difference))
    named = [step for step in steps if step.startswith("Where each class counts alike it looks otherwise")]
    assert bool(named) == told
    if told:
        assert "real + made" in named[0]


def test_a_row_that_is_told_alike_by_both_is_named_once():
    by_seed = {"real": REAL, "real+made": [0.85, 0.86, 0.87]}
    tables = pages.verdicts(by_seed, 0.02), pages.pairs(by_seed, 0.02)
    steps = advice.next_steps(*tables, balanced(real_and_made=-0.05))
    assert not any("counts alike" in step for step in steps)


def test_a_class_of_a_handful_of_test_images_makes_no_advice():
    by_seed = {"real": REAL, "real+made": UNSURE}
    tables = pages.verdicts(by_seed, 0.02), pages.pairs(by_seed, 0.02)
    few = balanced(real_and_made=-0.075)
    few.loc[few.index[0], "n_images"] = 9
    assert not any("counts alike" in step for step in advice.next_steps(*tables, few))
