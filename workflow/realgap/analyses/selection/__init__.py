"""What is chosen among candidates, and whether choosing helps."""

from collections.abc import Mapping
from typing import Any

from realgap.study import sources

TITLE = "What do criteria choose, and does it help?"


def shown(config: Mapping[str, Any]) -> list[str]:
    """The selections that some training set holds, and the sources of their candidates, real images first."""
    used = sources.used(config)
    chosen = [name for name, source in used.items() if source.kind == "selection"]
    return list(dict.fromkeys([sources.REAL, *(used[name].settings["of"] for name in chosen), *chosen]))


def check(config: Mapping[str, Any]) -> None:
    """There must be a selection of generated images to look at."""
    used = sources.used(config).values()
    if not any(one.kind == "selection" and not one.chooses_real for one in used):
        raise ValueError(
            "config: analyses: must leave out selection where no training set holds a source of kind selection, of "
            f"generated images; got {config['training_sets']}"
        )
