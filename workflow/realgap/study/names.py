"""Names that a user wrote and that are not there, each with those that it may have been meant for."""

import difflib
from collections.abc import Iterable


def unknown(wrong: Iterable[str], known: Iterable[str], most: int = 5) -> str:
    """The names, each with the nearest known ones: "'zerro' (zero?), 'x'"; after `most` only how many more."""
    folded: dict[str, list[str]] = {}
    for name in known:
        folded.setdefault(_folded(name), []).append(name)
    wrong = list(wrong)
    said = [f"{name!r}{_near(name, folded)}" for name in wrong[:most]]
    return ", ".join(said) + (f" and {len(wrong) - most} more" if len(wrong) > most else "")


def _near(name: str, folded: dict[str, list[str]]) -> str:
    found = [one for near in difflib.get_close_matches(_folded(name), folded, n=3) for one in folded[near]]
    return f" ({', '.join(found[:3])}?)" if found else ""


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")
