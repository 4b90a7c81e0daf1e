"""realgap.study.recipes: a row names how it is trained, and what it is compared with follows from that."""

from pathlib import Path

import pytest
import yaml

from realgap.report import style
from realgap.study import config as configuration
from realgap.study import recipes, sources

DEFAULT = yaml.safe_load((Path(__file__).resolve().parents[2] / "config.yaml").read_text())
LONG = {"recipes": {"long": {"steps": 800}, "strong": {"augmentation": ["mixup"]}}}


def study(*training_sets, **changes):
    return {**DEFAULT, **LONG, "training_sets": ["real", *training_sets], **changes}


@pytest.mark.parametrize(
    ("training_set", "parts", "recipe", "title"),
    [
        ("real", ["real"], "", "real"),
        ("real@long", ["real"], "long", "real (long)"),
        ("real+vae_only@very_long", ["real", "vae_only"], "very_long", "real + VAE only (very long)"),
    ],
)
def test_a_name_says_sources_and_recipe(training_set, parts, recipe, title):
    assert sources.parts_of(training_set) == parts
    assert recipes.recipe(training_set) == recipe
    assert style.name(training_set) == title


def test_a_recipe_changes_what_it_names_alone():
    config = study("real@long")
    assert recipes.classifier(config, "real@long") == {**config["classifier"], "steps": 800}
    assert recipes.classifier(config, "real") == config["classifier"]


@pytest.mark.parametrize(
    ("training_set", "others", "expected"),
    [
        ("vae_only", ["real", "vae_only"], "real"),
        ("vae_only@long", ["real", "real@long", "vae_only@long"], "real@long"),
        ("vae_only@long", ["real", "vae_only@long"], "real"),
        ("real@long", ["real", "real@long"], "real"),
    ],
)
def test_rows_are_compared_with_real_images_trained_alike(training_set, others, expected):
    assert recipes.reference(training_set, others) == expected


def test_a_study_with_recipes_is_taken():
    configuration.check(study("real@long", "real+vae_only@strong"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training_sets": ["real", "real@short"]}, "must name a recipe after the @ .long, strong.; got 'short'"),
        ({"training_sets": ["real", "real@"]}, "and may end in @ and the name of a recipe"),
        ({"training_sets": ["real@long", "vae_only"]}, "must hold 'real'"),
        ({"recipes": {"long": {"architectur": "resnet50"}}}, "recipes.long: unknown key 'architectur'"),
        ({"recipes": {"long": {"weights": "mine.bin"}}}, "recipes.long.weights: must be null, the name of weights"),
        ({"recipes": {"long": {"augmentation": ["blur"]}}}, "recipes.long.augmentation.0"),
        ({"recipes": {"long": {}}}, "recipes.long"),
        ({"recipes": {"Long": {"steps": 5}}}, "must be a name of small letters"),
        (
            {"training_sets": ["real", "real+vae_only@tiny"], "recipes": {"tiny": {"batch_size": 1}}},
            "batch_size: must give each source of real.vae_only@tiny an image",
        ),
    ],
)
def test_a_wrong_recipe_is_one_line(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        configuration.check(study(**{"training_sets": ["real", "vae_only"], **changes}))
    assert "\n" not in str(error.value)


# --- several classifiers ----------------------------------------------------------------------------------------------

SEVERAL = {
    "recipes": {
        "long": {"steps": 800},
        "vgg": {"architecture": "vgg11", "input_size": 64},
        "probe": {"backbone_lr": 0},
    },
    "classifiers": ["vgg", "probe"],
    "saliency": {**DEFAULT["saliency"], "layer": "auto"},
}


def test_every_row_without_a_recipe_is_crossed_with_each_classifier_in_its_order_and_once():
    config = recipes.crossed(study("vae_only", "real@long", "vae_only@vgg", **SEVERAL))
    rows = ["real", "vae_only", "real@long", "vae_only@vgg", "real@vgg", "real@probe", "vae_only@probe"]
    assert config["training_sets"] == rows
    assert recipes.crossed(config) == config
    assert recipes.crossed(study("vae_only"))["training_sets"] == ["real", "vae_only"]
    configuration.check(study("vae_only", "real@long", **SEVERAL))


def test_a_row_of_the_table_is_compared_with_the_real_images_of_its_classifier():
    config = recipes.crossed(study("vae_only", "vae_only@long", **SEVERAL))
    found = {row: recipes.real_of(config, row) for row in config["training_sets"]}
    own = {"real": "real", "vae_only": "real", "vae_only@long": "real"}
    assert found == own | {f"{of}@{name}": f"real@{name}" for name in ("vgg", "probe") for of in ("real", "vae_only")}
    assert recipes.of_own_classifier(config) == list(own)


def test_torchvisions_stem_goes_with_weights():
    config = study(**{"recipes": {"begun": {"weights": "mine.pth"}}})
    assert recipes.classifier(config, "real@begun")["stem"] == "stock"
    assert recipes.classifier(config, "real")["stem"] == "auto"


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        (["real", "vae_only"], "real"),
        (["real", "vae_only", "real@strong", "real+vae_only@strong"], "real@strong"),
        (["real", "real@long", "real@strong", "vae_only"], "real@strong"),
        (["real", "real@vit", "vae_only@vit"], "real"),
    ],
)
def test_features_are_of_the_last_row_of_real_images_alone_and_of_the_own_classifier(rows, row):
    given = {"strong": {"augmentation": ["rand_augment"]}, "long": {"steps": 9}, "vit": {"architecture": "vit_b_16"}}
    assert recipes.describing({"training_sets": rows, "recipes": given, "classifiers": []}) == row
