"""Which rows a learning curve has, and which row picks at random where another one chooses."""

import copy

import pytest
import yaml

from realgap.analyses import learning_curves
from realgap.selection import controls
from realgap.study import config as configuration
from tests import checkout


@pytest.fixture
def study():
    """resources/studies/digits-feedback.yaml on top of the default configuration."""
    config = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    own = yaml.safe_load((checkout.ROOT / "resources/studies/digits-feedback.yaml").read_text())
    config = copy.deepcopy(checkout._merge(config, own))
    configuration.check(config)
    return config


def test_every_row_that_chooses_is_compared_with_a_random_pick_of_its_own_candidates(study):
    found = controls.picked(study, study["training_sets"])
    criteria = {"useful", "attentive", "covering", "typical"}
    expected = {f"real+{of}_{how}": f"real+{of}_picked" for of in ("prompts", "inverted") for how in criteria}
    controls_of = dict.fromkeys(["real+prompts_shuffled", "real+prompts_summed"], "real+prompts_picked")
    controls_of |= {"real+real_useful": "real+real_picked"}
    assert found == expected | controls_of


def test_a_pick_of_other_candidates_or_one_that_is_no_row_does_not_count(study):
    study["sources"]["inverted_picked"]["of"] = "prompts"
    study["training_sets"].remove("real+prompts_picked")
    study["sources"]["prompts_picked"]["criteria"] = {"typicality": 1}
    found = controls.picked(study, study["training_sets"])
    assert set(found.values()) <= {"real+inverted_picked", "real+real_picked"}
    assert not any(name.startswith("real+inverted") for name in found)


def test_recipes_are_compared_alike(study):
    study["recipes"] = {"long": {"steps": 400}}
    study["training_sets"] += ["real@long", "real+prompts_useful@long", "real+prompts_picked@long"]
    found = controls.picked(study, study["training_sets"])
    assert found["real+prompts_useful@long"] == "real+prompts_picked@long"
    assert found["real+prompts_useful"] == "real+prompts_picked"


def test_a_selection_can_be_made_of_a_draw_where_its_candidates_can(study):
    assert set(learning_curves.rows(study)) == set(study["training_sets"])
    assert learning_curves.judged(study)
    study["sources"]["prompts"] = {"kind": "folder", "root": "elsewhere"}
    left = learning_curves.rows(study)
    assert not any("prompts" in name for name in left)
    assert learning_curves.judged(study)


def test_of_real_images_no_more_can_be_candidates_than_the_smallest_draw_has(study):
    study["sources"]["real_useful"]["candidates"] = 6
    says = (
        "sources.real_useful.candidates: must be at most the fewest of learning_curves.real_counts, 5, for real images"
    )
    with pytest.raises(ValueError, match=says):
        configuration.check(study)


def test_judges_need_an_image_of_each_class_in_every_fold_of_the_smallest_draw(study):
    study["selection"]["folds"] = 6
    with pytest.raises(
        ValueError, match="learning_curves.real_counts: must be at least selection.folds, 6, for judges"
    ):
        configuration.check(study)
