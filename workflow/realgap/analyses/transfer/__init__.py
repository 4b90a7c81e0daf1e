"""Which layers of a classifier trained on generated images hold it back."""

from collections.abc import Mapping
from typing import Any

from realgap.study import limits, recipes, sources

TITLE = "Which layers lose what generated images lack?"
SETTINGS = {
    "frozen_stages": {
        "description": "Stages that stay as they are, from the input on.",
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 0, "maximum": 5},
    },
    "fractions": {
        "description": "Shares of the real training images that the rest is tuned on.",
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    },
    "steps": {"description": "Optimiser steps of each tuning.", "type": "integer", "minimum": 1},
}


def pretrained(config: Mapping[str, Any]) -> list[str]:
    """Training sets without a real image: what is tuned is a classifier that has never seen one."""
    return [name for name in recipes.of_own_classifier(config) if sources.REAL not in sources.parts_of(name)]


def check(config: Mapping[str, Any]) -> None:
    """Its stages are known, and something must have been trained without real images."""
    own = recipes.classifier(config, sources.REAL)
    architecture, deepest = own["architecture"], max(config["transfer"]["frozen_stages"])
    if architecture not in limits.LAYERS:
        from realgap.classifier import check as classifier_check  # torch

        classifier_check.check_stages(own, config["dataset"]["image_size"])
    stages = 1 + len(limits.LAYERS.get(architecture, range(4)))  # the stem is one
    if deepest > stages:
        raise ValueError(
            f"config: transfer.frozen_stages: must be at most {stages}, the stages of {architecture}; got {deepest}"
        )
    if own["backbone_lr"] == 0:
        raise ValueError("config: analyses: must leave out transfer where classifier.backbone_lr is 0; got transfer")
    if not pretrained(config):
        raise ValueError(
            "config: analyses: must leave out transfer where every training set has real images; "
            f"got {config['training_sets']}"
        )
