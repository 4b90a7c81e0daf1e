"""What a study of released images must not do, known before anything starts; a refusal is one line that names a key."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from realgap.data import catalog
from realgap.study import sources

KIND = "dp_inversion"
# fingerprint of a base model's weights -> the data sets that it was trained on; their cards say how that was seen to
SHIPPED: Mapping[str, Sequence[str]] = {
    "1ef7840dca573250": ("typeset digits",),  # resources/mini-sd-digits
    "23b9007a89ea1e0c": ("tiny-imagenet",),  # resources/mini-sd-natural
}
# a data set that is a part of another, or is made of it
_PART_OF = {
    "typeset": {"typeset digits"},
    "imagenet": {"tiny-imagenet"},
    "imagenette": {"imagenet", "tiny-imagenet"},
    "stl10": {"imagenet", "tiny-imagenet"},
}


def released(config: Mapping[str, Any]) -> dict[str, sources.Source]:
    """The sources of the study that are released, by name, those without noise among them."""
    return {name: one for name, one in sources.used(config).items() if one.kind == KIND}


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError where more of the real images than the mechanism's noisy sum would reach a released source."""
    own = released(config)
    if not own:
        return
    refused = itertools.chain(_flowing(config), _counting(config), _claiming(config, own), _spanning(config, own))
    if (first := next(refused, None)) is not None:
        raise ValueError(f"config: {first}")


def base_model_saw(config: Mapping[str, Any], fingerprint: str) -> Sequence[str] | None:
    """What the base model was trained on, as the study says or this project knows; None where neither does."""
    said = config["privacy"]["base_model_saw"]
    return SHIPPED.get(fingerprint) if said is None else said


def check_base_model(config: Mapping[str, Any], fingerprint: str) -> None:
    """Raise ValueError where the base model was trained on the images, or nobody says on which it was."""
    saw, name = base_model_saw(config, fingerprint), config["dataset"]["name"]
    if saw is None:
        raise ValueError(
            "config: privacy.base_model_saw: must list the data sets that the base model was trained on, for what is "
            f"released says nothing of what the model itself has seen; got null for {config['base_model']['path']}"
        )
    names = {name, *_PART_OF.get(name, ())}
    if seen := [one for one in saw if one.lower() in names]:
        raise ValueError(
            f"config: base_model.path: must be a model that has not seen the images of {name}; got "
            f"{config['base_model']['path']}, which was trained on {seen[0]}"
        )


def _flowing(config: Mapping[str, Any]) -> Iterator[str]:
    """What of an inversion depends on more than the image itself, or begins at it."""
    inversion, dataset = config["inversion"], config["dataset"]
    if (start := inversion["start"]) != "prompt":
        yield f"inversion.start: must be prompt for a source of kind {KIND}, which is public; got {start!r}"
    if (patience := inversion["early_stopping_patience"]) is not None:
        yield (
            f"inversion.early_stopping_patience: must be null for a source of kind {KIND}, for images that stop change "
            f"the batches of others; got {patience}"
        )
    if (taught := inversion["encoder_steps"]) is not None:
        yield (
            f"inversion.encoder_steps: must be null for a source of kind {KIND}, for an encoder sees other images; "
            f"got {taught}"
        )
    if (groups := dataset["groups"]) is not None:
        yield f"dataset.groups: must be null for a source of kind {KIND}, which hides one image alone; got {groups!r}"


def _counting(config: Mapping[str, Any]) -> Iterator[str]:
    """Numbers and names that a release shows must be said by the study, not found in the images."""
    dataset = config["dataset"]
    if not isinstance(number := dataset["images_per_class"], int):
        yield (
            f"dataset.images_per_class: must be a number for a source of kind {KIND}, for the images' own number is "
            f"not public; got {number!r}"
        )
    if dataset["name"] in catalog.OWN and dataset["classes"] == "all":
        yield f"dataset.classes: must be listed for a source of kind {KIND}, for names are released; got 'all'"


def _claiming(config: Mapping[str, Any], own: Mapping[str, sources.Source]) -> Iterator[str]:
    """A guarantee needs a budget, and a delta that is worth something."""
    privacy, dataset = config["privacy"], config["dataset"]
    classes = dataset["classes"]
    names = catalog.CLASS_NAMES.get(dataset["name"], ()) if classes == "all" else classes
    total = dataset["images_per_class"] * len(names)
    noisy = [name for name, one in own.items() if one.settings["epsilon"] is not None]
    if noisy and privacy["epsilon"] is None:
        yield f"privacy.epsilon: must be the budget of the data set, for {noisy[0]} is released of it; got null"
    if noisy and privacy["delta"] >= 1 / total:
        yield f"privacy.delta: must be below 1 / {total}, the images of the study; got {privacy['delta']:g}"


def _spanning(config: Mapping[str, Any], own: Mapping[str, sources.Source]) -> Iterator[str]:
    """Directions of the images themselves would show them."""
    for name, source in own.items():
        basis = source.settings["basis"]
        if basis is not None and not any(Path(basis).glob("*/*.h5")):
            yield f"sources.{name}.basis: must be the folder `embeddings` of a study of public images; got {basis!r}"
        if basis is not None and Path(f"results/{config['study']}").resolve() in Path(basis).resolve().parents:
            yield f"sources.{name}.basis: must be of another study, of public images; got {basis!r}"
        if basis is None and (spread := source.settings["spread"]) != "none":
            yield f"sources.{name}.spread: must be none without a basis, along whose directions it is; got {spread!r}"
