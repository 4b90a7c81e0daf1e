"""What a pilot says follows from what was planted."""

import numpy as np
import pytest

from realgap.analyses.pilot import section

LABELS = np.repeat([3, 7], 30)
NAMES = {3: "grey", 7: "greyer"}
SIZES = {"image_size": 32, "resolution": 32}


def grey(seed):
    levels = np.random.default_rng(seed).integers(0, 256, (60, 16, 16, 1), np.uint8)
    return np.repeat(levels, 3, axis=-1)


def colourful(seed):
    return np.random.default_rng(seed).integers(0, 256, (60, 16, 16, 3), np.uint8)


def said(real, passed, prompted, right=None, sizes=SIZES, base_model="resources/models/stable-diffusion-v1-4"):
    found = section.table(real, passed, prompted, LABELS, NAMES)
    right = np.ones(60, bool) if right is None else right
    return section.sentences(found, right, sizes, base_model)


def test_a_model_that_fits_is_said_to_be_alike():
    sentences = " ".join(said(grey(0), grey(0), grey(1)))
    assert "keeps 100.0 % of the variation" in sentences
    assert "alike in colourfulness" in sentences
    assert "alike in brightness" in sentences
    assert "there is something to learn" in sentences
    assert "Nearly all" not in sentences


def test_colourful_prompts_for_grey_images_are_named_with_what_to_do():
    """As of prompts for grey tissue."""
    sentences = said(grey(0), grey(0), colourful(1))
    [named] = [one for one in sentences if "colourful" in one]
    assert named.startswith("Nearly all images from prompts are more colourful than real ones (colourfulness ")
    assert "prompts.templates" in named


def test_darker_prompts_are_named_and_a_difference_that_nobody_sees_is_not():
    darker = (colourful(1) * 0.3).astype(np.uint8)
    assert any(
        one.startswith("Nearly all images from prompts are darker") for one in said(colourful(0), colourful(0), darker)
    )
    a_level = np.clip(colourful(0).astype(int) + 3, 0, 255).astype(np.uint8)
    assert not any("Nearly all" in one for one in said(colourful(0), colourful(0), a_level))


def test_a_coder_that_loses_much_is_named_with_the_class_that_loses_most():
    passed = colourful(0).astype(float)
    passed[LABELS == 7] = passed[LABELS == 7].mean(axis=(1, 2), keepdims=True)
    sentence = said(colourful(0), passed.astype(np.uint8), colourful(1))[0]
    assert "the least of greyer, " in sentence
    assert "no image of this base model shows" in sentence


def test_real_images_near_chance_are_said_to_be():
    by_chance = np.arange(60) % 2 == 0
    assert "not told apart from chance" in said(grey(0), grey(0), grey(1), by_chance)[-2]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [({"image_size": 64, "resolution": 32}, "generated images are enlarged"), (SIZES, "classifiers see 32 px.")],
)
def test_enlarged_images_are_said_to_be(sizes, says):
    assert any(says in one for one in said(grey(0), grey(0), grey(1), sizes=sizes))


def test_what_the_base_model_has_seen_is_said_as_far_as_it_is_known():
    assert "has only seen typeset digits" in said(grey(0), grey(0), grey(1), base_model="a/mini-sd-digits")[-1]
    assert "may have seen your images" in said(grey(0), grey(0), grey(1))[-1]
