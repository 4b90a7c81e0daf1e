"""Digest of a base model's weights: every byte of them, read once and remembered by the file's size and times."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from realgap.store import digests, files

STATE = Path(".snakemake/realgap/weights.json")
FETCHED = ".realgap-fetched.json"  # in a base model's folder: what was fetched


def fingerprint(base_model: str | Path, state: Path = STATE) -> str:
    """Digest of the parts of a base model: name, size and every byte of every file in its folders.

    Times of files do not count, the model card neither. `state` holds what is known of files; what is wrong with it
    is passed over.
    """
    return _joint(Path(base_model), Path(base_model).glob("*/*.*"), state)


def of_weights(path: str | Path, state: Path = STATE) -> str:
    """Sixteen hex digits of what a file of weights holds, or of all files of a folder."""
    path = Path(path)
    return _joint(path, path.rglob("*") if path.is_dir() else [path], state)


def of_published(path: str | Path, sha256: str, state: Path = STATE) -> str:
    """The first digits of the SHA-256 of a file that is fetched by these: of what is there, where something is."""
    if not Path(path).is_file():
        return sha256
    with digests.remembered(state) as of:
        return of(path)[: len(sha256)]


def identity(base_model: str | Path, revision: str | None, state: Path = STATE) -> str:
    """What a base model is called in a rule's params: its revision as long as it is what was fetched, else its digest.

    A base model that is not there yet will be fetched.
    """
    if revision and not (Path(base_model) / "model_index.json").exists():  # the last file that is fetched
        return revision
    own = fingerprint(base_model, state)
    said = digests.load(Path(base_model) / FETCHED)
    return revision if revision and said == {"revision": revision, "digest": own} else own


def record(base_model: str | Path, revision: str, state: Path = STATE) -> None:
    """Note that the base model, just fetched, is this revision."""
    said = {"revision": revision, "digest": fingerprint(base_model, state)}
    files.write(Path(base_model) / FETCHED, json.dumps(said).encode())


def _joint(folder: Path, found: Iterable[Path], state: Path) -> str:
    digest = hashlib.sha256()
    with digests.remembered(state) as of:
        for path in sorted(path for path in found if path.is_file()):
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name} {path.stat().st_size} {of(path)}\n".encode())
    return digest.hexdigest()[:16]
