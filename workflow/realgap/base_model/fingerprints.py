"""Digest of a base model's weights: every byte of them, read once and remembered by the file's size and times."""

import contextlib
import hashlib
import json
import time
from pathlib import Path

from realgap.store import files

STATE = Path(".snakemake/realgap/weights.json")
FETCHED = ".realgap-fetched.json"  # in a base model's folder: what was fetched
# A file that was written so short a time ago may be written once more within the clock's tick: it is not remembered.
SETTLED_S = 2

Known = dict[str, list]  # path -> [size, mtime_ns, ctime_ns, SHA-256]


def fingerprint(base_model: str | Path, state: Path = STATE) -> str:
    """Digest of the parts of a base model: name, size and every byte of every file in its folders.

    Times of files do not count, the model card neither. `state` holds what is known of files; what is wrong with it
    is passed over.
    """
    before = _read(state)
    known, digest = dict(before), hashlib.sha256()
    for path in sorted(path for path in Path(base_model).glob("*/*.*") if path.is_file()):
        digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size} {_sha256(path, known)}\n".encode())
    if known != before:
        with contextlib.suppress(OSError):  # it is read anew next time
            files.write(state, json.dumps({"checksum": _checksum(known), "files": known}).encode())
    return digest.hexdigest()[:16]


def identity(base_model: str | Path, revision: str | None, state: Path = STATE) -> str:
    """What a base model is called in a rule's params: its revision as long as it is what was fetched, else its digest.

    A base model that is not there yet will be fetched.
    """
    if revision and not (Path(base_model) / "model_index.json").exists():  # the last file that is fetched
        return revision
    own = fingerprint(base_model, state)
    return revision if revision and _load(Path(base_model) / FETCHED) == {"revision": revision, "digest": own} else own


def record(base_model: str | Path, revision: str, state: Path = STATE) -> None:
    """Note that the base model, just fetched, is this revision."""
    said = {"revision": revision, "digest": fingerprint(base_model, state)}
    files.write(Path(base_model) / FETCHED, json.dumps(said).encode())


def _sha256(path: Path, known: Known) -> str:
    """A file's own digest, from `known` or into it."""
    stat, name = path.stat(), str(path.resolve())
    seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    if name in known and known[name][:3] == seen:
        return known[name][3]
    known.pop(name, None)
    own = files.sha256(path)
    if time.time_ns() - max(seen[1:]) > SETTLED_S * 1e9:
        known[name] = [*seen, own]
    return own


def _read(state: Path) -> Known:
    card = _load(state)
    try:
        return dict(card["files"]) if card["checksum"] == _checksum(card["files"]) else {}
    except (KeyError, TypeError, ValueError):
        return {}


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _checksum(known: Known) -> str:
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
