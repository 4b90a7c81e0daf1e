"""What a study of released images must not do: each is one line that names its key, before anything starts."""

import copy
from pathlib import Path

import pytest
import yaml

from realgap.base_model import fingerprints
from realgap.privacy import checks
from realgap.study import config as configuration

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
PRIVATE = {"kind": "dp_inversion", "epsilon": 3.0, "clip": 1.0}


def study(source=PRIVATE, sets=("real", "private"), **sections):
    config = copy.deepcopy(DEFAULT)
    config["sources"]["private"] = source
    config["privacy"]["epsilon"] = 4.0
    for section, changes in sections.items():
        config[section] |= changes
    return config | {"training_sets": list(sets)}


def test_a_study_with_a_budget_is_right_and_one_without_noise_needs_none():
    configuration.check(study())
    configuration.check(study({**PRIVATE, "epsilon": None}, privacy={"epsilon": None}))
    assert list(checks.released(study())) == ["private"]


def test_a_source_that_no_row_holds_is_not_checked():
    configuration.check(study(sets=["real", "vae_only"], inversion={"start": "random"}))


WRONG = [
    ({"inversion": {"start": "random"}}, "inversion.start: must be prompt for a source of kind dp_inversion, which is"),
    ({"inversion": {"start": "looks"}}, "inversion.start: must be prompt"),
    ({"inversion": {"early_stopping_patience": 3}}, "inversion.early_stopping_patience: must be null for a source of"),
    (
        {"inversion": {"encoder_steps": 5}},
        "inversion.encoder_steps: must be null for a source of kind dp_inversion, for an enc",
    ),
    ({"dataset": {"images_per_class": dict.fromkeys(DEFAULT["dataset"]["classes"], 10)}}, "must be a number for a"),
    ({"privacy": {"epsilon": None}}, "privacy.epsilon: must be the budget of the data set, for private is released of"),
    ({"privacy": {"delta": 0.009}, "dataset": {"images_per_class": 12}}, "privacy.delta: must be below 1 / 120, the i"),
    ({"privacy": {"neighbours": "some"}}, "privacy.neighbours: must be one of add_remove, replace_one; got 'some'"),
    ({"privacy": {"delta": 0}}, "privacy.delta: must be more than 0; got 0"),
    ({"source": {**PRIVATE, "epsilon": 0}}, "sources.private.epsilon: must be more than 0; got 0"),
    ({"source": {**PRIVATE, "clip": 0}}, "sources.private.clip: must be more than 0; got 0"),
    ({"source": {"kind": "dp_inversion", "epsilon": 1}}, "sources.private: missing key 'clip'"),
    ({"source": {"kind": "dp_inversion", "clip": 1}}, "sources.private: missing key 'epsilon'"),
    ({"source": {**PRIVATE, "unconditional": "class"}}, "must be one of dataset, prompt; got 'class'"),
    ({"source": {**PRIVATE, "interpolation_strength": 0.1}}, "unknown key 'interpolation_strength'"),
    ({"source": {**PRIVATE, "basis": "no/where"}}, "sources.private.basis: must be the folder `embeddings` of a study"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG)
def test_what_would_let_more_through_than_the_mechanism_is_one_line(changes, says):
    with pytest.raises(ValueError, match="^config: ") as error:
        configuration.check(study(**changes))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_of_a_users_own_images_neither_names_nor_numbers_nor_groups_are_found_in_the_data(tmp_path):
    own = {"name": "image_folder", "root": str(tmp_path), "classes": ["a", "b"]}
    configuration.check(study(dataset=own))
    for changes, says in (
        ({"classes": "all"}, "dataset.classes: must be listed for a source of kind dp_inversion"),
        ({"images_per_class": "all"}, "dataset.images_per_class: must be a number for a source of kind dp_inversion"),
        ({"groups": "**/{group}_*"}, "dataset.groups: must be null for a source of kind dp_inversion, which hides one"),
    ):
        with pytest.raises(ValueError, match="^config: ") as error:
            configuration.check(study(dataset=own | changes))
        assert says in str(error.value)


def test_a_basis_is_not_of_the_study_itself(tmp_path, monkeypatch):
    for place in ("results/digits/embeddings", "results/typeset/embeddings"):
        (tmp_path / place / "one").mkdir(parents=True)
        (tmp_path / place / "one" / "0.h5").touch()
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    monkeypatch.chdir(tmp_path)
    configuration.check(study({**PRIVATE, "basis": "results/typeset/embeddings"}))
    with pytest.raises(ValueError, match="sources.private.basis: must be of another study, of public images"):
        configuration.check(study({**PRIVATE, "basis": "results/digits/embeddings"}))


def test_candidates_of_a_choice_are_not_released_ones_for_judges_see_real_images():
    chosen = {"kind": "selection", "of": "private", "samples_per_image": 1}
    config = study(sets=["real", "chosen"])
    config["sources"]["chosen"] = chosen
    with pytest.raises(ValueError, match=r"sources\.chosen\.of: must be real or one of the sources .*; got 'private'"):
        configuration.check(config)


@pytest.mark.parametrize(("name", "saw"), [("mini-sd-digits", "typeset digits"), ("mini-sd-natural", "tiny-imagenet")])
def test_the_shipped_base_models_are_known_by_their_weights(name, saw):
    assert checks.SHIPPED[fingerprints.identity(ROOT / "resources" / name, None)] == (saw,)


def test_a_base_model_that_saw_the_images_or_of_which_nothing_is_known_is_refused():
    natural = "23b9007a89ea1e0c"
    checks.check_base_model(study(), natural)
    checks.check_base_model(study(privacy={"base_model_saw": ["laion"]}), "unknown")
    with pytest.raises(ValueError, match="^config: privacy.base_model_saw: must list the data sets .*; got null for"):
        checks.check_base_model(study(), "unknown")
    with pytest.raises(ValueError, match="^config: base_model.path: must be a model that has not seen .* digits; got"):
        checks.check_base_model(study(privacy={"base_model_saw": ["Digits"]}), "unknown")
    with pytest.raises(ValueError, match="trained on tiny-imagenet$"):
        checks.check_base_model(study(dataset={"name": "imagenette"}), natural)
