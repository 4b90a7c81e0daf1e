"""What was worked out of the same code before: to read all of it again takes seconds of each command."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from realgap.code.version import Tree
from realgap.store import files

KEPT = 20  # states of the code, the last used ones


def folder() -> Path | None:
    """Where it is kept, for all checkouts of a user; None for a user without a home, as in some containers."""
    with contextlib.suppress(RuntimeError):
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realgap" / "code"
    return None


class Remembered:
    """A tree whose answers are kept in a folder, under a digest of all its code; without a folder it works them out."""

    def __init__(self, tree: Tree, state: Path | None) -> None:
        self.tree, self.state = tree, state

    def definitions(self, step: str, keys: Mapping[str, str] | None = None) -> dict[str, str]:
        """As Tree.definitions."""
        if self.state is None:
            return self.tree.definitions(step, keys)
        asked = hashlib.sha256(json.dumps([step, dict(keys or {})], sort_keys=True).encode()).hexdigest()[:16]
        path = self._of_this_code / f"{step}-{asked}.json"
        with contextlib.suppress(OSError, ValueError):
            if isinstance(found := json.loads(path.read_text(encoding="utf-8")), dict):
                return found
        found = self.tree.definitions(step, keys)
        with contextlib.suppress(OSError):  # a read-only home, or a full one
            files.write(path, json.dumps(found, sort_keys=True).encode())
        return found

    @cached_property
    def _of_this_code(self) -> Path:
        digest = hashlib.sha256(sys.version.encode())
        root = self.tree.root
        for path in sorted(path for name in self.tree.packages for path in (root / name).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
        path = self.state / digest.hexdigest()[:32]
        with contextlib.suppress(OSError):
            path.mkdir(parents=True, exist_ok=True)
            os.utime(path)
            for old in sorted(self.state.iterdir(), key=lambda one: one.stat().st_mtime)[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        return path
