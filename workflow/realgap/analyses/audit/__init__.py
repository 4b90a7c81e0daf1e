"""What a study's sources give away of its real images: attacks through the whole pipeline, beside what is claimed."""

from collections.abc import Mapping
from typing import Any

from realgap.study import sources

TITLE = "What may be claimed, and what do attacks find?"
SETTINGS = {
    "reference_runs": {
        "description": "Runs of the whole pipeline on half of the real images each, that attacks learn from; even.",
        "type": "integer",
        "minimum": 6,
        "multipleOf": 2,
    },
    "canaries": {
        "description": "Planted rows in all, half of which are put into a release. What is guessed of them says which "
        "epsilon it has at least.",
        "type": "integer",
        "minimum": 20,
    },
}

RELEASED = "dp_inversion"
# rows of one such source alone can be made again of half of the real images
_KINDS = (sources.REAL, "inversion", RELEASED)


def attacked(config: Mapping[str, Any]) -> list[str]:
    """Rows of the table that are attacked: real images, and sources that are sampled from embeddings or releases."""
    known = sources.of(config)
    alone = [row for row in config["training_sets"] if row == sources.REAL or row in known]
    return [row for row in alone if row == sources.REAL or known[row].kind in _KINDS]


def released(config: Mapping[str, Any]) -> list[str]:
    """Those of them that are releases, with noise or without."""
    known = sources.of(config)
    return [row for row in attacked(config) if row != sources.REAL and known[row].kind == RELEASED]


def check(config: Mapping[str, Any]) -> None:
    """There must be a release to audit, and halves that a classifier can be trained on."""
    if not released(config):
        raise ValueError(
            f"config: analyses: must leave out audit where no row of training_sets is a source of kind {RELEASED}; got "
            f"{config['training_sets']}"
        )
    if config["dataset"]["images_per_class"] < 4:
        raise ValueError(
            "config: dataset.images_per_class: must be at least 4 for the analysis audit, which trains on halves; "
            f"got {config['dataset']['images_per_class']}"
        )
