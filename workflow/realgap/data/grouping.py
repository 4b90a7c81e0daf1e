"""Which patient, site, slide or camera an image is of: images of one group stand in one part of a study."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from realgap.data.records import Image
from realgap.store import files

GROUP = "{group}"
KEY = "groups"  # attribute of a test set and of predictions: a number of each image's group, in their order
MOST_NAMED = 5


def of(groups: str, names: Sequence[str]) -> dict[str, str]:
    """name -> group of each image. groups: a CSV file with the columns file and group, or a pattern of their names.

    A pattern has {group} once; * stands for any signs but /, ** for any. "{group}/**": the first folder.
    ValueError where one has no group.
    """
    found = _of_csv(groups) if groups.lower().endswith(".csv") else _of_pattern(groups, names)
    if missing := [name for name in names if not found.get(name)]:
        raise ValueError(
            f"dataset.groups: must give each image a group, {groups} gives none to {missing[0]}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
        )
    return found


def numbers(groups: Sequence[str]) -> list[int]:
    """A number for each, the same for equal ones: a file that may be handed on does not name a patient."""
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return [order[group] for group in groups]


def carried(tested: Mapping[str, Any]) -> dict[str, list[int]]:
    """What predictions of test images say of their groups; nothing where each image stands for itself."""
    return {KEY: tested[KEY]} if KEY in tested else {}


def check(images: Iterable[Image]) -> None:
    """ValueError where the data set itself puts images of one group into more than one part."""
    parts: dict[str, set[str]] = {}
    for image in images:
        if image.given:
            parts.setdefault(image.group, set()).add(image.given)
    if both := sorted(group for group, given in parts.items() if len(given) > 1):
        more = f" and {len(both) - MOST_NAMED} more" if len(both) > MOST_NAMED else ""
        raise ValueError(
            "dataset.groups: must stand in one part of the data set each; in more than one: "
            f"{', '.join(both[:MOST_NAMED])}{more}"
        )


def pattern(groups: str) -> re.Pattern:
    """The pattern as a regular expression."""
    parts = re.split(r"(\*\*|\*|\{group\})", groups)
    words = {"**": ".*?", "*": "[^/]*?", GROUP: "(?P<group>[^/]+?)"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _of_pattern(groups: str, names: Sequence[str]) -> dict[str, str]:
    own = pattern(groups)
    found = {name: own.fullmatch(name) for name in names}
    return {name: match["group"] for name, match in found.items() if match}


def _of_csv(path: str) -> dict[str, str]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"dataset.groups: {path} must be a CSV file in UTF-8; {files.brief(error)}") from error
    if not lines or not {"file", "group"} <= set(lines[0]):
        got = ", ".join(map(str, lines[0])) if lines else "no line"
        raise ValueError(f"dataset.groups: {path} must have the columns file and group; got {got}")
    return {Path(line["file"] or "").as_posix(): line["group"] or "" for line in lines}
