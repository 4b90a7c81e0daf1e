"""The paths that a configuration names: as a path can be, and of the right kind where it is there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from realgap.data import catalog

KEYS = (
    "images",
    "dataset.root",
    "base_model.path",
    "prompts.templates",
    "features.weights",
    "geometry.detector",
    "geometry.shadow_pairs",
    "conversion.file",
    "conversion.architecture",
    "conversion.folder",
)
PUBLISHED = "published"  # below results/: studies that this project keeps
# to a shell, to Snakemake and to a step's command line these are no part of a path
_ODD_BEGINNINGS = ("~", "@", "-")
_ODD = "{}"


def of_study(study: str, results: Path = Path("results")) -> Path:
    """Where a finished study's results are: a user's own, else those that this project publishes."""
    published = results / PUBLISHED / study
    return published if published.is_dir() and not (results / study).is_dir() else results / study


def check_names(config: Mapping[str, Any]) -> None:
    """Raise ValueError with one line for a path that cannot be handed on to a rule and its step."""
    for key, path in _named(config):
        if path.startswith(_ODD_BEGINNINGS) or set(path) & set(_ODD) or not path.isprintable():
            raise ValueError(
                f"config: {key}: must be a path that begins with none of {' '.join(_ODD_BEGINNINGS)} "
                f"and holds no braces, tabs or line ends; got {path[:80]!r}"
            )


def check_kinds(config: Mapping[str, Any]) -> None:
    """Raise ValueError with one line for a path of a file where a folder must be, and the like."""
    kind = config["dataset"]["name"]
    if (root := config["dataset"]["root"]) is not None and Path(root).exists():
        what = catalog.OWN.get(kind, "folder")
        must_be(f"a {what} for {kind}", "dataset.root", root, "folder" in what and not Path(root).is_file())
        if what == "folder":
            must_be(f"a {what} for {kind}", "dataset.root", root, folder=True)
    must_be("a text file", "prompts.templates", config["prompts"]["templates"])
    pairs = config["geometry"]["shadow_pairs"]  # which may be made later
    if pairs is not None and Path(pairs).exists():
        must_be("a CSV file or null", "geometry.shadow_pairs", pairs)


def must_be(what: str, key: str, path: str, folder: bool = False) -> None:
    """Raise ValueError unless there is such a thing: pipes and devices, which a reader would wait for, are neither."""
    there = Path(path)
    if there.is_dir() if folder else there.is_file():
        return
    got = "a folder" if there.is_dir() else "a file" if there.is_file() else "neither file nor folder"
    found = f", which is {got}" if there.exists() else ", nothing there"
    raise ValueError(f"config: {key}: must be {what}; got {path!r}{found}")


def _named(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in KEYS:
        *section, name = key.split(".")
        if (path := (config[section[0]] if section else config)[name]) is not None:
            yield key, path
    groups = config["dataset"]["groups"]  # else a pattern of names
    if groups is not None and groups.lower().endswith(".csv"):
        yield "dataset.groups", groups
    for settings in (config["classifier"], *config["recipes"].values()):
        if (weights := settings.get("weights")) is not None:
            yield "classifier.weights", weights
    for source, settings in config["sources"].items():
        for key in ("root", "basis"):
            if (path := settings.get(key)) is not None:
                yield f"sources.{source}.{key}", path
