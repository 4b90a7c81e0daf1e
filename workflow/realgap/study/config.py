"""The configuration: one schema, one line per mistake, nothing started before it is right."""

import math
import reprlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from realgap import analyses
from realgap.base_model import check as base_model_check
from realgap.cost import sizes
from realgap.data import catalog, grouping
from realgap.privacy import checks as privacy
from realgap.study import counts, limits, names, paths, recipes, renamed, sources

# folders of results/ with a use
RESERVED = ("comparisons", "downloads", "pretraining", "privacy", "published", "reported")
SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
MOST_VALUES = 100_000  # of a YAML file; a class, an image count or a seed is one


# JSON takes 10.0 for an integer, which range() does not, and has no word for .nan and .inf of YAML
_TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
    {
        "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda _, value: (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        ),
    }
)
_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=_TYPES)


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of a study: that of SCHEMA, with the sources and the section of every registered analysis."""
    made = yaml.safe_load(SCHEMA.read_text())
    made["properties"]["sources"] = sources.schema()
    made["properties"]["dataset"]["properties"]["name"]["enum"] = [*catalog.CLASS_NAMES, *catalog.OWN]
    trained = made["properties"]["classifier"]["properties"]
    recipe = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": trained}
    made["properties"]["recipes"]["additionalProperties"] = recipe
    made["properties"]["analyses"]["items"] = {"enum": list(analyses.ORDER)}
    for name, analysis in analyses.registered().items():
        if settings := getattr(analysis, "SETTINGS", {}):
            section = {"type": "object", "additionalProperties": False, "required": list(settings)}
            made["properties"][name] = {**section, "properties": settings}
            made["required"].append(name)
    return made


@cache
def _validator(path: Path) -> jsonschema.protocols.Validator:
    return _Validator(schema() if path == SCHEMA else yaml.safe_load(path.read_text()))


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError with one line that names key, what it must be and what it is.

    Where numbers of images follow from what lies at dataset.root, `check_counts` is for later.
    """
    renamed.check(config)
    check_schema(config, SCHEMA)
    config = recipes.crossed(config)
    _check_across_keys(config)
    if not counts.is_open(config):
        check_counts(counts.settled(config, {} if config["dataset"]["name"] in catalog.OWN else None))


def check_counts(config: Mapping[str, Any]) -> None:
    """Raise ValueError as `check` where numbers of images do not fit; config: as counts.settled gives it."""
    dataset = config["dataset"]
    _check_counts(dataset, counts.per_class(config))
    kept = config["sampling"]["full_size_per_class"]
    most = min(counts.smallest(config), sizes.settled(config)["dataset"]["images_per_shard"])
    if kept > most:
        raise ValueError(
            f"config: sampling.full_size_per_class: must be at most {most}, the images of a class's first shard; "
            f"got {kept}"
        )
    sources.check_counts(config)
    _check_analyses(config)
    _check_classifier(config)


def check_files(paths: Iterable[str | Path]) -> None:
    """Raise ValueError for a YAML file with a key that stands twice, or whose anchors stand for too many values.

    Of a key YAML keeps the last and says nothing. A few lines of anchors can stand for gigabytes.
    """
    for path in paths:
        with suppress(OSError, yaml.YAMLError):  # which Snakemake has said by now
            written = yaml.compose(Path(path).read_text(encoding="utf-8"))
            if written is not None and (values := _values(path, written, {})) > MOST_VALUES:
                raise ValueError(
                    f"{path}: must hold at most {MOST_VALUES:,} values with what its anchors repeat; got {values:,}"
                )


def _values(path: str | Path, node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node stands for; infinity for one that holds itself. Raises ValueError for a key again."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = float("inf")
    inside = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise ValueError(
                    f"{path}: line {key.start_mark.line + 1}: must hold each key once; got {key.value!r} again"
                )
            seen.add(key.value)
            inside.append(value)
    elif isinstance(node, yaml.SequenceNode):
        inside = node.value
    known[id(node)] = 1 + sum(_values(path, one, known) for one in inside)
    return known[id(node)]


def check_schema(config: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError with one line for the first key that is not as the schema in a YAML file says."""
    errors = sorted(_validator(path).iter_errors(config), key=lambda e: list(map(str, e.path)))
    if errors:
        raise ValueError(_sentence(errors[0]))


def give_types(config: Mapping[str, Any], given: Mapping[str, Any], path: Path = SCHEMA) -> None:
    """Read texts in `config` as YAML does where the schema wants none, in place, if `given` has them.

    given: what `--config key='{...}'` added. Snakemake reads all that is inside of the braces as text.
    """
    if not given:
        return
    for error in list(_validator(path).iter_errors(config)):
        *above, key = error.absolute_path or [None]
        if not isinstance(error.instance, str) or _at(given, error.absolute_path) != error.instance:
            continue
        with suppress(yaml.YAMLError):
            _at(config, above)[key] = yaml.safe_load(error.instance)


def _at(config: Any, path: Iterable[str | int]) -> Any:
    """The value at a path of keys and indices; None where there is no such place."""
    for key in path:
        try:
            config = config[key]
        except (KeyError, IndexError, TypeError):
            return None
    return config


def differences(config: Mapping[str, Any], default: Mapping[str, Any], above: str = "") -> list[tuple[str, Any, Any]]:
    """(key, default, here) of every value that is not the default's, keys dotted; None where one has no such key."""
    found = []
    for key in dict.fromkeys([*default, *config]):
        usual, here = default.get(key), config.get(key)
        if isinstance(usual, Mapping) and isinstance(here, Mapping):
            found += differences(here, usual, f"{above}{key}.")
        elif usual != here:
            found.append((above + key, usual, here))
    return found


def _check_across_keys(config: Mapping[str, Any]) -> None:
    """What no schema can say: how keys must fit each other."""
    if (study := config["study"]).lower() in RESERVED:
        raise ValueError(f"config: study: must be another name, results/{study}/ holds something else; got {study!r}")
    paths.check_names(config)
    dataset = config["dataset"]
    known = catalog.CLASS_NAMES.get(dataset["name"])
    if dataset["classes"] != "all" and known and (strange := [one for one in dataset["classes"] if one not in known]):
        raise ValueError(
            f"config: dataset.classes: must be among {', '.join(known)}; got {names.unknown(strange, known)}"
        )
    asks = any(isinstance(one, str) for one in _each(dataset["images_per_class"]))
    if asks and dataset["name"] == "digits":
        raise ValueError("config: dataset.images_per_class: must be a number for digits, the rest of them is tested on")
    if asks and dataset["name"] not in {*catalog.OWN, *catalog.COUNTED, *catalog.TRAINING_IMAGES}:
        raise ValueError(
            "config: dataset.images_per_class: must be a number for a data set whose own are not known beforehand; got "
            f"{_short(dataset['images_per_class'])}"
        )
    if dataset["root"] is None and dataset["name"] not in catalog.SHIPPED:
        raise ValueError(f"config: dataset.root: must be a path for {dataset['name']}; got null")
    # a study that knows what its data set held needs it no more
    listed = Path(f"results/{config['study']}/inventory.csv").exists()
    if dataset["name"] in catalog.OWN and not listed and not Path(dataset["root"]).exists():
        raise ValueError(f"config: dataset.root: must be the path of your data; got {dataset['root']!r}, nothing there")
    base_model = config["base_model"]
    paths.check_kinds(config)
    _check_reading(config)
    if (base_model["hub"] is None) != (base_model["revision"] is None):
        raise ValueError("config: base_model.revision: must be given with base_model.hub, and only with it")
    path = Path(base_model["path"])
    if path.is_file() or (path / "model_index.json").is_file() or base_model["hub"] is None:
        base_model_check.check(path, base_model["resolution"])
    sources.check(config)
    privacy.check(config)


def _check_reading(config: Mapping[str, Any]) -> None:
    """How files are read is said of files alone, and black is below white."""
    dataset = config["dataset"]
    of_files = dataset["name"] in catalog.OWN or "folder" in (one["kind"] for one in config["sources"].values())
    for key in ("value_range", "background"):
        if dataset[key] is not None and not of_files:
            raise ValueError(
                f"config: dataset.{key}: must be null where no images are read from files; got {dataset[key]!r}"
            )
    if (groups := dataset["groups"]) is not None:
        if dataset["name"] not in catalog.OWN:
            raise ValueError(f"config: dataset.groups: must be null unless the images are your own; got {groups!r}")
        if groups.lower().endswith(".csv"):
            paths.must_be("a CSV file or a pattern", "dataset.groups", groups)
        elif groups.count(grouping.GROUP) != 1:
            raise ValueError(
                f"config: dataset.groups: must be a CSV file or a pattern with {grouping.GROUP} once; got {groups!r}"
            )
    black, white = dataset["value_range"] or (0, 1)
    if black >= white:
        raise ValueError(
            f"config: dataset.value_range: must be [black, white] with black below white; got {[black, white]}"
        )


def _each(given: Any) -> list[Any]:
    return list(given.values()) if isinstance(given, Mapping) else [given]


def _check_counts(dataset: Mapping[str, Any], wanted: Mapping[str, int]) -> None:
    """As many images of each class as the study asks for, where a data set's are known before it is there."""
    label_of: dict[int, str] = {}
    known = catalog.TRAINING_IMAGES.get(dataset["name"])
    for name, count in wanted.items():
        label, taken = catalog.label(dataset["name"], name), count + dataset["validation_images_per_class"]
        if label_of.setdefault(label, name) != name:
            raise ValueError(f"config: dataset.classes: must be named otherwise, {label_of[label]} has {name}'s label")
        if known and taken > (most := known[label] - (dataset["name"] == "digits")):
            left = ", which leaves one to test on" if dataset["name"] == "digits" else ""
            raise ValueError(
                f"config: dataset.images_per_class: must be at most {most} with validation_images_per_class, for "
                f"{name} has {known[label]} images{left}; got {taken}"
            )


def _check_kind(key: str, path: str, must_be: str, folder: bool) -> None:
    """A folder where a file is wanted, or the other way round; what is not there yet may be fetched or be missing."""
    if Path(path).exists() and Path(path).is_dir() != folder:
        raise ValueError(f"config: {key}: must be {must_be}; got {path!r}, which is a {'file' if folder else 'folder'}")


def _check_analyses(config: Mapping[str, Any]) -> None:
    """What an analysis would otherwise refuse only after days of generating."""
    extractor, weights = config["features"]["extractor"], config["features"]["weights"]
    if extractor == "classifier" and weights is not None:
        raise ValueError(f"config: features.weights: must be null for the classifier; got {weights!r}")
    if extractor != "classifier":
        if weights is None:
            raise ValueError(f"config: features.weights: must be where those of {extractor} are; got None")
        folder = extractor != "inception"
        paths.must_be(f"the {'folder' if folder else 'file'} of {extractor}'s", "features.weights", weights, folder)
    for name, analysis in analyses.registered().items():
        if name in config["analyses"] and hasattr(analysis, "check"):
            analysis.check(config)


def check_tested(config: Mapping[str, Any], tested: Mapping[str, int]) -> None:
    """Raise ValueError where a class has too few test images for an analysis; tested: class -> test images."""
    for name, analysis in analyses.registered().items():
        if name in config["analyses"] and hasattr(analysis, "fewest_tested"):
            key, needed = analysis.fewest_tested(config)
            if few := {one: count for one, count in tested.items() if count < needed}:
                said = ", ".join(f"{one!r} ({count})" for one, count in few.items())
                raise ValueError(
                    f"config: {key}: must be at most the test images of each class, or leave {name} out of analyses; "
                    f"got {needed}, and fewer of {said}"
                    if key != "analyses"
                    else f"config: analyses: must leave out {name} where a class has fewer than {needed} test images; "
                    f"got {said}"
                )


def _check_classifier(config: Mapping[str, Any]) -> None:
    """That each takes the images and has the layer, before anything is made; of ResNets both are known."""
    keys = ("architecture", "stem", "weights", "backbone_lr", "input_size")
    known: dict[tuple, str] = {}
    for row in config["training_sets"]:
        own = recipes.classifier(config, row)
        known.setdefault(tuple(own[key] for key in keys), row)
    for row in known.values():
        settings = recipes.classifier(config, row)
        try:
            _check_network(config, settings)
        except ValueError as error:
            raise ValueError(f"{error} (recipe {name})" if (name := recipes.recipe(row)) else str(error)) from error


def _check_network(config: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    weights, layer, size = settings["weights"], config["saliency"]["layer"], config["dataset"]["image_size"]
    if weights is not None and weights.endswith(limits.WEIGHTS):
        paths.must_be("a file of weights", "classifier.weights", weights)
    if weights is None and limits.has_map(settings, layer, size):
        return
    from realgap.classifier import check as classifier_check

    features = config["features"]["extractor"] == "classifier" and {"fidelity", "detection", "memorisation"}
    judged = any(source.kind == "selection" for source in sources.used(config).values())
    classifier_check.check(
        settings,
        size,
        len(config["dataset"]["classes"]),
        layer if judged or "saliency" in config["analyses"] else None,
        bool(features and features & set(config["analyses"])),
    )


def _sentence(error: jsonschema.ValidationError) -> str:
    key = ".".join(_named(part) for part in error.absolute_path) or "top level"
    got = _short(error.instance)
    match error.validator:
        case "additionalProperties":
            allowed = sorted(error.schema["properties"])
            unknown = sorted(set(error.instance) - set(allowed), key=str)
            return f"config: {key}: unknown key {_short(unknown[0])}; allowed: {', '.join(allowed)}"
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"config: {key}: missing key {missing[0]!r}"
        case "enum":
            return f"config: {key}: must be one of {', '.join(map(str, error.validator_value))}; got {got}"
        case "type":
            return f"config: {key}: must be of type {_either(error.validator_value)}; got {got}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" | "minItems" | "maxItems" | "multipleOf":
            words = {
                "minimum": "at least",
                "exclusiveMinimum": "more than",
                "maximum": "at most",
                "exclusiveMaximum": "less than",
                "minItems": "a list of at least",
                "maxItems": "a list of at most",
                "multipleOf": "a multiple of",
            }
            return f"config: {key}: must be {words[error.validator]} {error.validator_value}; got {got}"
        case "const":
            return f"config: {key}: must be a list or {error.validator_value!r}; got {got}"
        case "uniqueItems":
            return f"config: {key}: must not repeat an entry; got {got}"
        case "pattern":
            return f"config: {key}: {error.schema.get('description', 'must match ' + error.validator_value)}; got {got}"
        case _:
            return f"config: {key}: {error.message}"


def _named(part: str | int) -> str:
    """A key as it was written; as Python writes it where a terminal could not show it."""
    return str(part) if str(part).isprintable() else _short(part)


def _either(types: str | list[str]) -> str:
    if isinstance(types, str):
        return types
    return f"{', '.join(types[:-1])} or {types[-1]}"


def _short(value: Any) -> str:
    """A value as Python writes it, cut short before it is written out: a few lines of YAML can stand for gigabytes."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict, brief.maxstring, brief.maxlong, brief.maxother = (
        3,
        20,
        20,
        200,
        200,
        200,
    )
    text = brief.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
