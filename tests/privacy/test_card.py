"""The card: one sentence of what may be claimed, its numbers, and what it does not cover."""

import math
from pathlib import Path

import pytest

from realgap.privacy import accounting, card

PAGE = " ".join(
    (Path(__file__).resolve().parents[2] / "workflow/docs/privacy.md").read_text().replace("\n> ", " ").split()
)

ABOUT = {"study": "private", "dataset": "digits", "base_model": "x", "base_model_saw": ["typeset digits"]}
ABOUT |= {"classifier_weights": [], "images": 1000, "delta": 1e-5, "neighbours": "replace_one"}
RELEASE = {"epsilon": 3.0, "noise_multiplier": 1.3906, "clip": 2.0, "count": 100}


def test_the_sentence_says_the_factor_that_epsilon_is():
    said = card.guarantee(3.0, 1e-5, "replace_one")
    assert "had any one image been another" in said
    assert f"factor of at most {math.exp(3):.3g} (epsilon 3), but for 1e-05 (delta)" in said
    assert "had any one image been left out" in card.guarantee(1.0, 1e-5, "add_remove")


def test_the_card_names_each_release_what_was_spent_in_all_and_what_the_base_model_saw():
    text = card.text({"mild": RELEASE}, 3.0, 4.5, ABOUT)
    assert card.guarantee(3.0, 1e-5, "replace_one") in text
    assert "| mild | 3 | 1.391 | 2 | 100 |" in text
    assert "in all studies, have epsilon 4.5 together at delta 1e-05" in text
    assert "what the base model has seen by itself (typeset digits)" in text
    assert "classifiers began at" not in text


def test_the_card_names_the_weights_that_a_classifier_began_at():
    text = card.text({"mild": RELEASE}, 3.0, 4.5, {**ABOUT, "classifier_weights": ["IMAGENET1K_V1"]})
    assert "- what the weights have seen that classifiers began at (IMAGENET1K_V1);" in text


@pytest.mark.parametrize(
    ("kind", "epsilon", "says"),
    [
        ("dp_inversion", 3.0, card.guarantee(3.0, 1e-5, "add_remove")),
        ("dp_inversion", None, "No guarantee: "),
        ("inversion", None, "No guarantee: "),
        ("selection", None, "or were chosen by what has seen them"),
        ("prompts", None, "No real image of the study went into them."),
    ],
)
def test_what_may_be_claimed_of_a_sources_images(kind, epsilon, says):
    assert says in card.of_samples(kind, {"epsilon": epsilon}, 1e-5, "add_remove")


def test_the_page_quotes_the_sentence():
    assert card.guarantee(3.0, 1e-5, "replace_one") in PAGE


@pytest.mark.parametrize("epsilon", [1, 3, 10])
def test_the_page_has_the_noise_and_the_factor_of_each_epsilon(epsilon):
    noise = [f"{accounting.multiplier(one, 1e-5):.2f}" for one in (1, 3, 10)]
    assert f"The noise over the sensitivity is {noise[0]}, {noise[1]} and {noise[2]} for epsilon 1, 3 and 10" in PAGE
    factor = {1: "2.7", 3: "20", 10: "22,026"}[epsilon]
    assert float(factor.replace(",", "")) == pytest.approx(math.exp(epsilon), rel=0.01)
    assert f"| {epsilon} | {factor} |" in PAGE


def test_the_page_adds_releases_up_as_the_accounting_does():
    spent = [accounting.together(accounting.multiplier(one, 1e-5) for one in each) for each in ([3, 1], [3, 3, 1])]
    assert (
        "3.5 at delta 1e-05 {:.3g} is spent (by digits-released), and with them it would be {:.3g};".format(
            *(accounting.epsilon(one, 1e-5) for one in spent)
        )
        in PAGE
    )
    ten = accounting.together(accounting.multiplier(one, 1e-5) for one in (1, 3, 10))
    assert f"1, 3 and 10 together are {accounting.epsilon(ten, 1e-5):.1f}, not 14" in PAGE
