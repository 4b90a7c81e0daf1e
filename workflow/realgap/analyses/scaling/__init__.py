"""Accuracy against the number of generated images."""

from collections.abc import Mapping
from typing import Any

from realgap.study import recipes, sources

TITLE = "Does more generated data help?"
SETTINGS = {
    "multiples": {
        "description": "Generated images per real one; those below sampling.samples_per_image are trained on anew.",
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 1},
    },
}


def growing(config: Mapping[str, Any]) -> list[str]:
    """Training sets that can grow: those with several images generated for each real one."""
    several = {name for name, source in sources.used(config).items() if source.samples_per_image(2) > 1}
    return [name for name in recipes.of_own_classifier(config) if several & set(sources.parts_of(name))]


def multiples(config: Mapping[str, Any]) -> list[int]:
    """Numbers of generated images per real one that are trained on anew, besides all there are."""
    most = config["sampling"]["samples_per_image"]
    return [multiple for multiple in config["scaling"]["multiples"] if multiple < most]


def check(config: Mapping[str, Any]) -> None:
    """There must be a training set that grows, and a number below all there are."""
    if config["sampling"]["samples_per_class"] is not None:
        raise ValueError(
            "config: analyses: must leave out scaling where sampling.samples_per_class is given, for it compares "
            "numbers of samples of each image; got scaling"
        )
    if not growing(config):
        raise ValueError(
            "config: analyses: must leave out scaling where no training set has several images generated for each "
            f"real one; got {config['training_sets']}"
        )
    if not multiples(config):
        raise ValueError(
            "config: scaling.multiples: must hold a number below sampling.samples_per_image, "
            f"{config['sampling']['samples_per_image']}; got {config['scaling']['multiples']}"
        )
