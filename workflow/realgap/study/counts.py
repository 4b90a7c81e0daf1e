"""How many real images of each class a study trains on, where it says so by more than one number.

`dataset.images_per_class` may be a number, `all`, `up to N`, or one of these for each class. Once it is known how many
there are it is settled: a number where all classes have the same, else a number for each class.
"""

from collections.abc import Mapping
from typing import Any

from realgap.data import catalog
from realgap.study import names

ALL = "all"
_UP_TO = "up to "


def is_open(config: Mapping[str, Any]) -> bool:
    """Whether classes or their numbers of images follow from what lies at dataset.root."""
    dataset = config["dataset"]
    given = dataset["images_per_class"]
    each = given.values() if isinstance(given, Mapping) else [given]
    asks = any(isinstance(one, str) for one in each)
    if dataset["name"] in catalog.COUNTED:
        return asks
    return dataset["name"] in catalog.OWN and (dataset["classes"] == ALL or asks)


def settled(config: Mapping[str, Any], there: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A copy of a checked configuration whose classes are a list and whose images of each class are numbers.

    there: class -> images that may be trained on, where they were counted; for others it is known. Raises ValueError
    where a number is given for a class that the study has not, or none for one that it has.
    """
    dataset = config["dataset"]
    every = list(catalog.CLASS_NAMES.get(dataset["name"], there or ()))
    there = published(dataset) if there is None else there
    chosen = every if dataset["classes"] == ALL else list(dataset["classes"])
    if len(chosen) < 2:
        raise ValueError(f"config: dataset.classes: must be a list of at least 2; got {chosen}")
    wanted = _by_class(dataset["images_per_class"], chosen)
    numbers = {name: _number(wanted[name], there.get(name, 0)) for name in chosen}
    same = len(set(numbers.values())) == 1
    return {
        **config,
        "dataset": {**dataset, "classes": chosen, "images_per_class": _first(numbers) if same else numbers},
    }


def published(dataset: Mapping[str, Any]) -> dict[str, int]:
    """class -> images that may be trained on, as far as that is known before a data set is there; else nothing."""
    name, classes = dataset["name"], catalog.CLASS_NAMES.get(dataset["name"], ())
    known = catalog.TRAINING_IMAGES.get(name) or (catalog.COUNTED.get(name, 0),) * len(classes)
    if not any(known):
        return {}
    left = dataset["validation_images_per_class"] + (name == "digits")  # which is tested on the rest
    return {name: count - left for name, count in zip(classes, known, strict=True)}


def per_class(config: Mapping[str, Any]) -> dict[str, int]:
    """class -> real images to train on, of a settled configuration, in the order of its classes."""
    given, classes = config["dataset"]["images_per_class"], config["dataset"]["classes"]
    if classes == ALL:
        classes = catalog.CLASS_NAMES[config["dataset"]["name"]]
    return {name: _of_class(given, name) for name in classes}


def _of_class(given: int | Mapping[str, int], class_name: str) -> int:
    return given[class_name] if isinstance(given, Mapping) else given


def smallest(config: Mapping[str, Any]) -> int:
    """Images of the smallest class."""
    return min(per_class(config).values())


def variants(
    config: Mapping[str, Any], class_name: str, start: int, stop: int, own: int | None = None
) -> tuple[int, int]:
    """Samples to draw of each of the images start..stop of a class, and how many of the first of them get one more.

    own: how many of each its source says itself, whatever the study says.
    """
    if own is not None:
        return own, 0
    sampling = config["sampling"]
    if sampling["samples_per_class"] is None:
        return sampling["samples_per_image"], 0
    # of this class alone: a dry run asks for each of many thousand shards
    n = _of_class(config["dataset"]["images_per_class"], class_name)
    each, rest = divmod(sampling["samples_per_class"], n)
    more = min(max(rest - start, 0), stop - start)
    return (each + 1, 0) if more == stop - start else (each, more)


def generated(config: Mapping[str, Any], own: int | None = None) -> int:
    """Images of a source; own: how many it makes of each real image, whatever the study says."""
    of_each, total = per_class(config), config["sampling"]["samples_per_class"]
    if own is not None or total is None:
        return sum(of_each.values()) * (config["sampling"]["samples_per_image"] if own is None else own)
    return total * len(of_each)


def _by_class(given: int | str | Mapping[str, int | str], chosen: list[str]) -> Mapping[str, int | str]:
    if not isinstance(given, Mapping):
        return dict.fromkeys(chosen, given)
    if strange := [name for name in given if name not in chosen]:
        raise ValueError(
            f"config: dataset.images_per_class: must be of classes of the study; got {names.unknown(strange, chosen)}"
        )
    if missing := [name for name in chosen if name not in given]:
        raise ValueError(
            f"config: dataset.images_per_class: must say a number for each class; none for {names.unknown(missing, ())}"
        )
    return given


def _number(wanted: int | str, there: int) -> int:
    if wanted == ALL:
        return there
    return min(int(wanted.removeprefix(_UP_TO)), there) if isinstance(wanted, str) else wanted


def _first(numbers: Mapping[str, int]) -> int:
    return next(iter(numbers.values()))
