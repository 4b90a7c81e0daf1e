"""realgap.report.summary: what a report says first follows the numbers, whichever way they point."""

import re

import numpy as np
import pytest
import yaml

from realgap.report import summary
from realgap.statistics.verdicts import Verdict
from tests import checkout, pages


def said(margin=0.02, **by_seed):
    by_seed = {name.replace("_and_", "+").replace("_by_", "@"): values for name, values in by_seed.items()}
    return summary.answer(pages.verdicts(by_seed, margin), pages.pairs(by_seed, margin))


REAL = [0.90, 0.91, 0.92]
FAR_WORSE, WORSE, UNSURE, BETTER = [0.60, 0.61, 0.63], [0.85, 0.86, 0.88], [0.96, 0.86, 0.92], [0.95, 0.96, 0.98]
EQUAL = [0.901, 0.909, 0.921]


@pytest.mark.parametrize(
    ("prompts", "found"),
    [
        (FAR_WORSE, "are worse training data than real ones:"),
        (BETTER, "are better training data than real ones:"),
        (EQUAL, "are as good training data as real ones, within ±5 points:"),
        (UNSURE, "are not told apart from real ones as training data:"),
    ],
)
def test_prompts_are_judged_as_they_did(prompts, found):
    first = said(real=REAL, stable_diffusion=prompts, diffusion_inversion=UNSURE, margin=0.05)[-2]
    assert first.lead == f"Images from text prompts {found}"


@pytest.mark.parametrize(
    ("inversion", "margin", "found"),
    [
        (BETTER, 0.02, "Diffusion Inversion more than closes the gap between prompts and real images:"),
        (WORSE, 0.02, "Diffusion Inversion closes part of the gap between prompts and real images:"),
        (
            UNSURE,
            0.02,
            "Diffusion Inversion is better training data than prompts, and not told apart from real images:",
        ),
        (EQUAL, 0.05, "Diffusion Inversion closes the gap between prompts and real images to within ±5 points:"),
        (FAR_WORSE, 0.02, "Images from Diffusion Inversion are worse training data than real ones:"),
    ],
)
def test_a_gap_is_closed_only_as_far_as_it_was_shown(inversion, margin, found):
    second = said(real=REAL, stable_diffusion=FAR_WORSE, diffusion_inversion=inversion, margin=margin)[-1]
    assert second.lead == found


def test_where_real_images_teach_nothing_that_is_all_there_is_to_say():
    """Classifiers that all guess are alike, and say nothing of the images that they were trained on."""
    guessed = {"real": [0.1, 0.102, 0.099], "stable_diffusion": [0.1] * 3, "diffusion_inversion": [0.101, 0.1, 0.1]}
    judged, compared = pages.verdicts(guessed), pages.pairs(guessed)
    assert judged.verdict.tolist()[1:] == [Verdict.UNDECIDED, Verdict.UNDECIDED]
    assert not judged.within_margin.any()
    (only,) = summary.answer(judged, compared, chance=0.1)
    assert only.lead == "Nothing can be compared yet, as real images teach the classifier nothing that is seen:"
    assert "gets 10.0 % (" in only.rest
    assert "and guessing 10.0 %." in only.rest


def test_a_gap_that_is_closed_for_a_wide_margin_is_not_for_a_narrow_one():
    """Not being told apart is not enough: the same numbers close the gap to within 5 points and not to within half."""
    leads = [
        said(real=REAL, stable_diffusion=FAR_WORSE, diffusion_inversion=[0.905, 0.905, 0.92], margin=margin)[-1].lead
        for margin in (0.05, 0.005)
    ]
    assert ["closes the gap" in lead for lead in leads] == [True, False]
    assert "not told apart from real images" in leads[1]


@pytest.mark.parametrize("prompts", [UNSURE, BETTER])
def test_without_a_gap_none_is_closed(prompts):
    assert "gap" not in said(real=REAL, stable_diffusion=prompts, diffusion_inversion=BETTER)[-1].lead


def test_a_lower_mean_is_no_win_because_its_interval_is_wider():
    """Prompts 5.8 points short are worse than real; inversion, 6.0 points short with a wider spread, is undecided."""
    real = np.array([0.90, 0.91, 0.92])
    prompts, inversion = real - [0.057, 0.058, 0.059], real - [0.03, 0.06, 0.09]
    judged = pages.verdicts({"real": real, "stable_diffusion": prompts, "diffusion_inversion": inversion})
    assert judged.verdict.tolist()[1:] == [Verdict.WORSE, Verdict.UNDECIDED]
    second = said(real=real, stable_diffusion=prompts, diffusion_inversion=inversion)[-1]
    assert second.lead == (
        "Images from Diffusion Inversion are told apart neither from real ones nor from prompts as training data:"
    )
    assert "against prompts \N{MINUS SIGN}0.2 (" in second.rest


def test_the_order_of_the_rows_turns_no_comparison_round():
    usual = said(real=REAL, stable_diffusion=FAR_WORSE, diffusion_inversion=WORSE)[-1]
    turned = said(real=REAL, diffusion_inversion=WORSE, stable_diffusion=FAR_WORSE)[-1]
    assert turned.lead == usual.lead
    assert "and against prompts +25.0 (" in turned.rest


def test_a_small_difference_that_is_shown_says_that_it_is_small():
    each = np.array([0.900, 0.903, 0.901, 0.904, 0.902, 0.905, 0.903, 0.901])
    (sentence,) = said(real=each, real_and_diffusion_inversion=each - 0.01, margin=0.05)[-1:]
    assert sentence.lead == "Added to the real images, images from Diffusion Inversion hurt, by less than 5 points:"


@pytest.mark.parametrize(
    ("mixed", "found"),
    [
        (BETTER, "help:"),
        (WORSE, "hurt:"),
        (UNSURE, "are not told apart from real ones alone:"),
        (EQUAL, "change the accuracy by no more than 5 points:"),
    ],
)
def test_adding_generated_images_helps_or_hurts_as_it_did(mixed, found):
    third = said(real=REAL, real_and_diffusion_inversion=mixed, real_and_stable_diffusion=FAR_WORSE, margin=0.05)[-1]
    assert third.lead == f"Added to the real images, images from Diffusion Inversion {found}"
    assert "Added in the same way, images from text prompts hurt:" in third.rest


def test_the_default_studys_rows_give_three_sentences_with_n_and_intervals():
    sentences = said(**{name.replace("+", "_and_"): values for name, values in pages.ACCURACIES.items()})
    assert len(sentences) == 3
    first, second, third = (sentence.rest for sentence in sentences)
    assert re.fullmatch(
        r"a classifier trained on 1,000 of them gets 71\.7 % \(6\d\.\d to 7\d\.\d\) of 1,697 real test images right\. "
        r"Trained on 100 real images it gets 93\.0 % \(\d\d\.\d to \d\d\.\d\)\. The difference is "
        "\N{MINUS SIGN}21\\.3 \\(\N{MINUS SIGN}2\\d\\.\\d to \N{MINUS SIGN}1\\d\\.\\d\\) points\\.",
        first,
    )
    assert re.search(r"points, and against prompts \+21\.3 \(\+1\d\.\d to \+2\d\.\d\)\.$", second)
    assert third.startswith("a classifier gets 94.8 % (")


def test_sources_that_are_missing_give_their_place_to_the_control_and_to_real():
    only = said(real=REAL, vae_only=WORSE)
    assert [sentence.lead for sentence in only] == [
        "Real images set the mark:",
        "Passing the real images through the VAE alone costs accuracy:",
    ]
    assert only[0].rest.startswith("a classifier trained on 100 real images gets 91.0 %")
    assert len(said(real=REAL)) == 1


@pytest.mark.parametrize(("count", "seeds"), [(1, "one seed"), (2, "two seeds")])
def test_too_few_seeds_judge_nothing(count, seeds):
    values = {"real": [0.9, 0.91], "stable_diffusion": [0.5, 0.51], "diffusion_inversion": [0.8, 0.82]}
    values["real_and_diffusion_inversion"] = [1, 0.99]
    for sentence in said(**{name: own[:count] for name, own in values.items()}):
        assert f"cannot be judged by {seeds}" in sentence.lead
        assert "nan" not in sentence.rest


def test_limits_are_those_of_the_study():
    table = pages.verdicts()
    text = " ".join(summary.limits(table, pages.CONFIG))
    assert "(3 seeds) and the choice of the 1,697 test images. Another choice of the 100 real images" in text
    assert "within ±2 points" in text
    least, most = 100 * table.detectable.min(), 100 * table.detectable.max()
    assert f"see one of {least:.1f} to {most:.1f} points" in text
    assert "16 px" in text
    assert "up to 10 images for each real one" in text
    assert "50 % of each batch are real images" in text
    assert "a miniature that has only seen typeset digits" in text
    natural = {**pages.CONFIG, "base_model": {"path": "resources/mini-sd-natural"}}
    assert "a miniature that has only seen photographs of 32 px" in " ".join(summary.limits(table, natural))
    elsewhere = {**pages.CONFIG, "base_model": {"path": "models/sd-1.4"}}
    assert "miniature" not in " ".join(summary.limits(table, elsewhere))


def test_a_gain_stands_beside_what_other_training_gains_without_images():
    """Beside every claim its control."""
    strong = np.array([0.98, 0.985, 0.99])
    gain = {"real": REAL, "real_and_diffusion_inversion": BETTER, "real_by_strong": strong}
    rest = said(**gain, real_and_diffusion_inversion_by_strong=strong + [0.001, -0.001, 0])[-1].rest
    assert re.search(
        r" The control, real \(strong\) without a generated image, gets 98\.5 % \(.*?\): \+7\.5 \(.*?\) points\. "
        r"Added to that, images from Diffusion Inversion change the accuracy by no more than 2 points: "
        r"\+0\.0 \(.*?\) points\.$",
        rest,
    )
    assert said(**gain)[-1].rest.endswith(" points.")
    assert "control" not in said(real=REAL, real_and_diffusion_inversion=BETTER)[-1].rest


@pytest.mark.parametrize(
    ("images_per_class", "says"),
    [
        (10, "The real images are 30, 10 of each class."),
        ("all", "The real images are 30, in classes of unequal size, 10 in the mean."),
        ({"cat": 3, "dog": 27}, "The real images are 30, in classes of unequal size, 10 in the mean."),
    ],
)
def test_classes_of_unequal_size_are_not_said_to_be_alike(images_per_class, says):
    config = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    config["dataset"]["images_per_class"] = images_per_class
    assert says in " ".join(summary.budget(config, 30, 3))
