"""The card: one sentence of what may be claimed, its numbers, and what it does not cover."""

import math

from realgap.privacy import card

ABOUT = {"study": "private", "dataset": "digits", "base_model": "x", "base_model_saw": ["typeset digits"]}
ABOUT |= {"images": 1000, "delta": 1e-5, "neighbours": "replace_one"}
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
