"""What made a file: which code and which versions, so that a rule is run again when, and only when, they change."""

import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from realgap.code import remembered, version

ROOT = Path(__file__).resolve().parents[2]


def code(step: str, keys: Mapping[str, str] | None = None) -> str:
    """Digest of the code that a step, e.g. "scripts.inversion_invert", can reach; for a rule's params.

    keys: tables of which it looks up this entry alone (realgap.code.version).
    """
    definitions = _tree(ROOT).definitions(step, keys)
    digest = version.digest(definitions)
    _DEFINITIONS[digest] = definitions
    return digest


def definitions(digest: str) -> dict[str, str]:
    """What a digest that `code` has made is made of: the digest of each definition."""
    return _DEFINITIONS[digest]


def commit() -> str:
    """The commit of this checkout, "-dirty" where tracked files differ from it; "unknown" outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() if run.returncode == 0 else "unknown"


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions of what made a file, e.g. versions("torch", "diffusers")."""
    return {name: metadata.version(name) for name in sorted(distributions)}


_DEFINITIONS: dict[str, dict[str, str]] = {}


@cache
def _tree(root: Path) -> remembered.Remembered:
    return remembered.Remembered(version.Tree(root), remembered.folder())
