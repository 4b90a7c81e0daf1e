"""The controls of a row that holds chosen images: the same with a random pick, and with all candidates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realgap.study import sources

Known = Mapping[str, sources.Source]


def picked(config: Mapping[str, Any], rows: Sequence[str]) -> dict[str, str]:
    """Row that holds a selection -> the one of `rows` with a random pick of the same candidates, where there is one."""
    return _replaced(config, rows, _picked)


def all_candidates(config: Mapping[str, Any], rows: Sequence[str]) -> dict[str, str]:
    """Row that holds a selection -> the one of `rows` with all of its candidates, where there is one."""
    return _replaced(config, rows, lambda part, known: known[part].settings["of"])


def _replaced(config: Mapping[str, Any], rows: Sequence[str], other: Callable[[str, Known], str]) -> dict[str, str]:
    known, found = sources.of(config), {}
    for row in rows:
        sum_, at, recipe = row.partition("@")
        parts = [
            other(part, known) if part in known and known[part].kind == "selection" else part
            for part in sum_.split("+")
        ]
        control = "+".join(parts) + at + recipe
        if control != row and control in rows:
            found[row] = control
    return found


def _picked(part: str, known: Known) -> str:
    """The source that picks at random where this one selects; itself where none does, or where it does so itself."""
    own = known[part].settings
    for name, source in known.items():
        if source.kind != "selection" or set(source.settings["criteria"]) != {"random"}:
            continue
        if all(source.settings[key] == own[key] for key in ("of", "candidates")):
            return name
    return part
