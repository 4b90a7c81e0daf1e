"""Which steps run again because of their code, and which definition changed."""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from realgap.store import files

STATE = Path(".snakemake/realgap/code")
KEPT = 300  # files, the last used ones
LINES, NAMES = 6, 3  # at most


def keep(digest: str, definitions: Mapping[str, str], state: Path = STATE) -> None:
    """Remember what a digest is made of, for the run that finds another one."""
    path = state / f"{digest}.json"
    with contextlib.suppress(OSError):  # a later run will say less
        if _load(path) == definitions:
            os.utime(path)
        else:
            files.write(path, json.dumps(definitions, sort_keys=True).encode())


def prune(state: Path = STATE) -> None:
    """Forget what has not been used for the longest time."""
    with contextlib.suppress(OSError):
        for path in sorted(state.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            path.unlink(missing_ok=True)


def changed(before: str, now: Mapping[str, str], state: Path = STATE) -> list[str] | None:
    """What has happened to which definitions since the digest `before`; None when that is not known."""
    old = _load(state / f"{before}.json")
    if old is None:
        return None
    words = {name: "changed" if name in old else "is new" for name in now if old.get(name) != now[name]}
    words |= {name: "is gone" for name in old if name not in now}
    # a definition that changed is the reason why others came or went
    order = ("changed", "is new", "is gone")
    return [f"{name} {words[name]}" for name in sorted(words, key=lambda name: (order.index(words[name]), name))]


def lines(reruns: Iterable[tuple[str, Iterable[str], Mapping[str, str]]], state: Path = STATE) -> list[str]:
    """A few lines for (rule, digests that its jobs were run with, definitions that it has now)."""
    rules: dict[str, list[str]] = {}
    for rule, digests, now in reruns:
        found = [change for change in (changed(digest, now, state) for digest in sorted(digests)) if change is not None]
        several = list(dict.fromkeys(one for change in found for one in change))
        more = f" and {len(several) - NAMES} more" if len(several) > NAMES else ""
        said = ", ".join(several[:NAMES]) + more if several else "its code is not that of the last run"
        if rule not in rules.setdefault(said, []):
            rules[said].append(rule)
    told = [f"{_listed(names)} again: {said}" for said, names in rules.items()]
    return told[:LINES] + ([f"and {len(told) - LINES} more such lines"] if len(told) > LINES else [])


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} runs"
    first, rest = names[:NAMES], len(names) - NAMES
    return f"{', '.join(first)} and {rest} more run" if rest > 0 else f"{', '.join(first[:-1])} and {first[-1]} run"


def _load(path: Path) -> dict[str, str] | None:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None
