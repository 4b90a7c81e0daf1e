"""How the rows of the table are trained: a training set is a sum of sources, and may name a recipe after an @.

A recipe is an entry of the config's section `recipes`: settings of `classifier` that differ. So the controls that a
reviewer asks for are rows like any other: `real@long`, `real+stable_diffusion@strong`.
"""

from collections.abc import Collection, Mapping
from typing import Any

REAL = "real"


def sources_sum(training_set: str) -> str:
    """What a row trains on: "real+vae_only@long" -> "real+vae_only"."""
    return training_set.partition("@")[0]


def recipe(training_set: str) -> str:
    """The recipe that a row names: "real@long" -> "long", and "" where it names none."""
    return training_set.partition("@")[2]


def reference(training_set: str, others: Collection[str]) -> str:
    """The row that a training set is compared with: real images trained by the same recipe, where there is such a row.

    Real images of a recipe are themselves compared with `real`.
    """
    own = f"{REAL}@{recipe(training_set)}"
    return own if own in others and own != training_set else REAL


def classifier(config: Mapping[str, Any], training_set: str) -> dict[str, Any]:
    """The settings of the classifier that a row is trained with; weights are of networks as torchvision builds them."""
    own = {**config["classifier"], **config["recipes"].get(recipe(training_set), {})}
    return {**own, "stem": "stock"} if own["weights"] is not None and own["stem"] == "auto" else own


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError where a row names no recipe of the study."""
    for name in config["training_sets"]:
        if "@" in name and recipe(name) not in config["recipes"]:
            known = ", ".join(config["recipes"]) or "none"
            raise ValueError(
                f"config: training_sets: must name a recipe after the @ ({known}); got {recipe(name)!r} in {name!r}"
            )
