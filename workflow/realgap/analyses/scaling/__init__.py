"""Accuracy against the number of generated images."""

from collections.abc import Mapping
from typing import Any

TITLE = "Does more generated data help?"
SETTINGS = {
    "multiples": {
        "description": "Generated images per real one; those below sampling.variants are trained on anew.",
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 1},
    },
}
# sources that draw several images for each real one
GROWING = {"stable_diffusion", "diffusion_inversion"}


def growing(config: Mapping[str, Any]) -> list[str]:
    """Training sets that can grow: those with several images generated for each real one."""
    return [name for name in config["training_sets"] if GROWING & set(name.split("+"))]


def multiples(config: Mapping[str, Any]) -> list[int]:
    """Numbers of generated images per real one that are trained on anew, besides all there are."""
    return [multiple for multiple in config["scaling"]["multiples"] if multiple < config["sampling"]["variants"]]


def check(config: Mapping[str, Any]) -> None:
    """There must be a training set that grows, and a number below all there are."""
    if not growing(config):
        raise ValueError(
            "config: analyses: must leave out scaling where no training set has several images generated for each "
            f"real one; got {config['training_sets']}"
        )
    if not multiples(config):
        raise ValueError(
            f"config: scaling.multiples: must hold a number below sampling.variants, {config['sampling']['variants']}; "
            f"got {config['scaling']['multiples']}"
        )
