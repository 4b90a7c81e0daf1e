"""realgap.report.summary: what a report says first follows the numbers, whichever way they point."""

import math

import pytest

from realgap.report import summary, tables
from tests import pages


def said(**by_seed):
    accuracies = pages.accuracies({name.replace("_and_", "+"): values for name, values in by_seed.items()})
    return summary.answer(tables.table(accuracies), accuracies)


REAL = [0.90, 0.91, 0.92]
FAR_WORSE, WORSE, SAME, BETTER = [0.60, 0.61, 0.63], [0.85, 0.86, 0.88], [0.91, 0.90, 0.92], [0.95, 0.96, 0.98]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.05, "better"),
        (-0.05, -0.001, "worse"),
        (-0.001, 0.05, "not told apart"),
        (0.0, 0.05, "not told apart"),
        (-0.05, 0.0, "not told apart"),
        (math.nan, math.nan, "one seed"),
    ],
)
def test_a_verdict_needs_an_interval_that_excludes_zero(low, high, verdict):
    assert summary.verdict({"difference_low": low, "difference_high": high}) == verdict


@pytest.mark.parametrize(
    ("prompts", "found"),
    [(FAR_WORSE, "are worse training data"), (BETTER, "are better training data"), (SAME, "are not told apart")],
)
def test_prompts_are_judged_as_they_did(prompts, found):
    first = said(real=REAL, stable_diffusion=prompts, diffusion_inversion=SAME)[-2]
    assert first.lead.startswith("Images from text prompts")
    assert found in first.lead


@pytest.mark.parametrize(
    ("inversion", "found"),
    [
        (BETTER, "Diffusion Inversion more than closes the gap"),
        (WORSE, "Diffusion Inversion closes part of the gap"),
        (SAME, "Diffusion Inversion is better training data than prompts, and not told apart from real images:"),
        (FAR_WORSE, "Images from Diffusion Inversion are worse training data"),
    ],
)
def test_a_gap_is_closed_only_as_far_as_it_was_measured(inversion, found):
    second = said(real=REAL, stable_diffusion=FAR_WORSE, diffusion_inversion=inversion)[-1]
    assert second.lead.startswith(found)


@pytest.mark.parametrize("prompts", [SAME, BETTER])
def test_without_a_gap_none_is_closed(prompts):
    assert "gap" not in said(real=REAL, stable_diffusion=prompts, diffusion_inversion=BETTER)[-1].lead


@pytest.mark.parametrize(
    ("mixed", "found"),
    [(BETTER, " help:"), (WORSE, " hurt:"), (SAME, " bring a change that is not told apart from zero:")],
)
def test_adding_generated_images_helps_or_hurts_as_it_did(mixed, found):
    third = said(real=REAL, real_and_diffusion_inversion=mixed, real_and_stable_diffusion=FAR_WORSE)[-1]
    assert third.lead == f"Added to the real images, images from Diffusion Inversion{found}"
    assert "Added in the same way, images from text prompts hurt:" in third.rest


def test_the_default_studys_rows_give_three_sentences_with_n_and_intervals():
    sentences = said(**{name.replace("+", "_and_"): values for name, values in pages.ACCURACIES.items()})
    assert len(sentences) == 3
    first, second, third = (sentence.rest for sentence in sentences)
    assert first == (
        "a classifier trained on 1,000 of them gets 71.7 % (63.7 to 79.7) of 1,697 real test images right. Trained on "
        "100 real images it gets 93.0 % (90.5 to 95.5). The difference is \N{MINUS SIGN}21.3 (\N{MINUS SIGN}27.6 to "
        "\N{MINUS SIGN}15.1) points."
    )
    assert second.endswith("points, and against prompts +21.3 (+15.1 to +27.6).")
    assert third.startswith("a classifier gets 94.8 % (")


def test_sources_that_are_missing_give_their_place_to_the_control_and_to_real():
    only = said(real=REAL, vae_only=WORSE)
    assert [sentence.lead for sentence in only] == [
        "Real images set the mark:",
        "Passing the real images through the VAE alone costs accuracy:",
    ]
    assert only[0].rest.startswith("a classifier trained on 100 real images gets 91.0 %")
    assert len(said(real=REAL)) == 1


def test_one_seed_judges_nothing():
    for sentence in said(
        real=[0.9], stable_diffusion=[0.5], diffusion_inversion=[0.8], real_and_diffusion_inversion=[1]
    ):
        assert "cannot be judged by one seed" in sentence.lead
        assert "nan" not in sentence.rest


def test_numbers_are_rounded_to_a_tenth_with_a_sign_where_it_matters():
    assert [summary.percent(value) for value in (0, 0.93449, 0.9345001, 1)] == ["0.0 %", "93.4 %", "93.5 %", "100.0 %"]
    assert [summary.points(value) for value in (0.0231, -0.0231, 0)] == ["+2.3", "\N{MINUS SIGN}2.3", "+0.0"]
    assert summary.points(-0.0001) == summary.points(0.0001) == "+0.0"


def test_limits_are_those_of_the_study():
    table = tables.table(pages.accuracies())
    text = " ".join(summary.limits(table, pages.CONFIG))
    assert "(3 seeds). Another choice of the 100 real images" in text
    assert "16 px" in text
    assert "up to 10 images for each real one" in text
    assert "50 % of each batch are real images" in text
    assert "a miniature that has only seen typeset digits" in text
    natural = {**pages.CONFIG, "base_model": {"path": "resources/mini-sd-natural"}}
    assert "a miniature that has only seen photographs of 32 px" in " ".join(summary.limits(table, natural))
    elsewhere = {**pages.CONFIG, "base_model": {"path": "models/sd-1.4"}}
    assert "miniature" not in " ".join(summary.limits(table, elsewhere))
