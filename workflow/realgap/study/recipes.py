"""How the rows of the table are trained: a training set is a sum of sources, and may name a recipe after an @.

A recipe is an entry of the config's section `recipes`: settings of `classifier` that differ. So the controls that a
reviewer asks for are rows like any other: `real@long`, `real+stable_diffusion@strong`.
"""

from collections.abc import Collection, Mapping
from typing import Any

REAL = "real"
OF_CLASSIFIER = ("architecture", "weights", "backbone_lr", "input_size")  # settings that make it another one


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


def crossed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with a row more for each of `classifiers` and each row without a recipe, classifier by classifier."""
    rows = config["training_sets"]
    plain = [name for name in rows if not recipe(name)]
    more = [f"{name}@{one}" for one in config["classifiers"] for name in plain]
    return {**config, "training_sets": list(dict.fromkeys([*rows, *more]))}


def real_of(config: Mapping[str, Any], training_set: str) -> str:
    """The row of real images that a row of the study's table is compared with: that of its own classifier."""
    own = recipe(training_set)
    another = own in config["classifiers"] or set(config["recipes"].get(own, {})) & set(OF_CLASSIFIER)
    return f"{REAL}@{own}" if another else REAL


def of_own_classifier(config: Mapping[str, Any]) -> list[str]:
    """The rows that the classifier of the row real is trained on, by whatever recipe."""
    return [name for name in config["training_sets"] if real_of(config, name) == REAL]


def describing(config: Mapping[str, Any]) -> str:
    """The row whose classifier gives the features of images: the last one of real images alone, of the own classifier.

    Controls stand after `real`. One that augments knows its training images less by heart: without augmentation 100
    real digits are told from others by the features of the classifier that has seen them (AUC 0.93).
    """
    return [row for row in of_own_classifier(config) if sources_sum(row) == REAL][-1]


def classifier(config: Mapping[str, Any], training_set: str) -> dict[str, Any]:
    """The settings of the classifier that a row is trained with; weights are of networks as torchvision builds them."""
    own = {**config["classifier"], **config["recipes"].get(recipe(training_set), {})}
    return {**own, "stem": "stock"} if own["weights"] is not None and own["stem"] == "auto" else own


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError where a row names no recipe of the study, or has no real images to be compared with."""
    known = ", ".join(config["recipes"]) or "none"
    if strange := [name for name in config["classifiers"] if name not in config["recipes"]]:
        raise ValueError(f"config: classifiers: must name recipes ({known}); got {strange[0]!r}")
    for name in config["training_sets"]:
        if "@" in name and recipe(name) not in config["recipes"]:
            raise ValueError(
                f"config: training_sets: must name a recipe after the @ ({known}); got {recipe(name)!r} in {name!r}"
            )
        if (real := real_of(config, name)) not in config["training_sets"]:
            raise ValueError(
                f"config: training_sets: must hold {real}, which rows of that classifier are compared with; "
                f"got {name!r}"
            )
