"""Accuracy against the number of real images, over several draws of them, and what a generated image is worth."""

from collections.abc import Mapping
from typing import Any

from realgap.study import counts as of_each
from realgap.study import sources

TITLE = "How many real images are the generated ones worth?"
SETTINGS = {
    "real_counts": {
        "description": "Real images of each class that are drawn; the smaller draws are nested in the larger.",
        "type": "array",
        "minItems": 2,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 2},
    },
    "draws": {
        "description": "Independent draws of the real images, each with a classifier seed of its own.",
        "type": "integer",
        "minimum": 3,
        "maximum": 1000,
    },
    "first_draw": {
        "description": "The number of the first draw: those on which settings were chosen do not confirm them.",
        "type": "integer",
        "minimum": 0,
        "maximum": 1_000_000,
    },
    "evaluate_on": {
        "description": "Which real images the classifiers are evaluated on; settings are chosen on validation images.",
        "enum": ["test", "validation"],
    },
}


def rows(config: Mapping[str, Any]) -> list[str]:
    """Training sets that can be made of a draw: each of their sources makes its images of real ones, one by one.

    A folder's images belong to no real image. A class's one embedding has seen all of its real images, and a policy was
    chosen with all of them.
    """
    known = sources.of(config)
    drawable = {sources.REAL, *(name for name, source in known.items() if _drawable(source, known))}
    return [name for name in config["training_sets"] if drawable.issuperset(sources.parts_of(name))]


def of_a_draw(source: sources.Source) -> bool:
    """Whether its images depend on which other real images are there.

    Partners are others, the mean that guidance leaves is of others, and judges of a selection are trained on others.
    """
    settings = source.settings
    return (
        source.kind == "selection"
        or source.conditioning == "inversion"
        and (settings.get("interpolation_strength", 0) > 0 or settings.get("unconditional") in ("class", "dataset"))
    )


def counts(config: Mapping[str, Any]) -> list[int]:
    """The numbers of real images of each class, ascending."""
    return sorted(config["learning_curves"]["real_counts"])


def draws(config: Mapping[str, Any]) -> range:
    """The numbers of the draws."""
    first = config["learning_curves"]["first_draw"]
    return range(first, first + config["learning_curves"]["draws"])


def check(config: Mapping[str, Any]) -> None:
    """The curve of real images must be there, another one beside it, and images enough to draw from."""
    if config["sampling"]["samples_per_class"] is not None:
        raise ValueError(
            "config: analyses: must leave out learning_curves where sampling.samples_per_class is given, for it "
            "compares numbers of samples of each image; got learning_curves"
        )
    own = config["learning_curves"]
    if own["evaluate_on"] == "validation" and not config["dataset"]["validation_images_per_class"]:
        raise ValueError(
            "config: learning_curves.evaluate_on: must be test where dataset.validation_images_per_class is 0; got "
            "'validation'"
        )
    most, there = counts(config)[-1], of_each.smallest(config)
    if most > there:
        raise ValueError(
            "config: learning_curves.real_counts: must be at most dataset.images_per_class, "
            f"{there}, which they are drawn from; got {most}"
        )
    if judged(config) and (fewest := counts(config)[0]) < (folds := config["selection"]["folds"]):
        raise ValueError(
            f"config: learning_curves.real_counts: must be at least selection.folds, {folds}, for judges; got {fewest}"
        )
    for name, source in sources.used(config).items():
        if source.chooses_real and (fewest := counts(config)[0]) < (candidates := source.settings["candidates"]):
            raise ValueError(
                f"config: sources.{name}.candidates: must be at most the fewest of learning_curves.real_counts, "
                f"{fewest}, for real images are chosen among; got {candidates}"
            )
    taught = config["inversion"]["encoder_steps"]
    if taught is not None and any(one.conditioning == "inversion" for one in sources.used(config).values()):
        raise ValueError(
            "config: inversion.encoder_steps: must be null where learning_curves compare inverted images: an encoder "
            f"sees more than a draw's; got {taught}"
        )
    own = rows(config)
    if sources.REAL not in own or len(own) < 2:
        raise ValueError(
            "config: analyses: must leave out learning_curves where training_sets has not real and another row that "
            f"can be made of a draw; got {config['training_sets']}"
        )


def judged(config: Mapping[str, Any]) -> bool:
    """Whether some row holds a selection, whose judges are trained on a draw."""
    known = sources.of(config)
    parts = {part for name in rows(config) for part in sources.parts_of(name)}
    return any(known[part].kind == "selection" for part in parts & set(known))


def _drawable(source: sources.Source, known: Mapping[str, sources.Source]) -> bool:
    if source.kind == "selection":
        return source.chooses_real or _drawable(known[source.settings["of"]], known)
    return source.kind not in ("folder", "policy") and source.conditioning != "class_inversion"
