"""Bundle what may leave of a study: releases, samples of them, classifiers that saw these alone, and a card."""

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realgap.classifier import storage
from realgap.privacy import accounting, card, ledger
from realgap.run import steps
from realgap.store import files, shards

_EPOCH = (1980, 1, 1, 0, 0, 0)  # when a file was made tells nothing that must be in an archive


@dataclass(frozen=True)
class Options:
    study: str
    dataset: str
    base_model: str
    base_model_saw: list[str]
    classifier_weights: list[str]
    images: int
    epsilon: float | None
    delta: float
    neighbours: str


def main() -> None:
    args, options = steps.parse(__doc__, Options, files={"nargs": "+"}, folder={}, images={}, ledgers={}, out={})
    made = {path: _made(path) for path in args.files}
    releases = {one["options"]["source"]: one["guarantee"] for one in made.values() if one["step"] == "release"}
    for path, one in made.items():
        _check(path, one, set(releases))
    names = json.loads(Path(args.images).read_text(encoding="utf-8"))
    known = ledger.read(ledger.found(args.ledgers, names))
    plans = {one["options"]["plan"]: one["guarantee"]["noise_multiplier"] for one in made.values() if _released(one)}
    if known is None or not set(plans) <= {one.plan for one in known.releases}:
        raise ValueError(f"{args.ledgers}: must hold every release that leaves, does not; take the ledger from a copy")
    together = accounting.epsilon(accounting.together(plans.values()), options.delta)
    about = asdict(options)
    said = {"releases": releases, "together": together, "spent": known.spent(), **about}
    with files.whole(args.out) as beside, zipfile.ZipFile(beside, "w") as archive:
        _add(archive, "card.md", card.text(releases, together, known.spent(), about).encode())
        _add(archive, "card.json", json.dumps(said, indent=1, sort_keys=True).encode())
        for path in sorted(made):
            _add(archive, str(Path(path).relative_to(args.folder)), Path(path).read_bytes())


def _made(path: str) -> dict[str, Any]:
    """What a file says of itself, after it was checked to be whole."""
    if Path(path).suffix == ".safetensors":
        return storage.load(path)[1]
    return shards.read(path, shards.kind(path)).attributes


def _released(made: dict[str, Any]) -> bool:
    return made["step"] == "release"


def _check(path: str, made: dict[str, Any], released: set[str]) -> None:
    """Once more, by what each file says of itself: that it carries a guarantee, or saw what does."""
    parts = {name for name, _ in made["parts"]} if made["step"] == "train" else {made.get("source")}
    allowed = bool(made["guarantee"]) if _released(made) else parts <= released
    if made["step"] not in ("release", "sample_release", "train") or not allowed:
        raise ValueError(f"{path}: must be made of releases with noise alone, was made by {made['step']} of {parts}")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)


if __name__ == "__main__":
    steps.run(main)
