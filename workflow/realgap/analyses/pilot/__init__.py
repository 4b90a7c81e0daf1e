"""What a few images of each class say before the rest is paid for: whether the base model fits these images."""

from collections.abc import Mapping
from typing import Any

TITLE = "Does the base model fit these images?"
SETTINGS = {
    "images_per_class": {
        "description": "Real images of each class, and as many from its prompts; at most those of its first shard.",
        "type": "integer",
        "minimum": 2,
        "maximum": 1000,
    }
}


def check(config: Mapping[str, Any]) -> None:
    """Prompts are part of it."""
    if all(one["kind"] != "prompts" for one in config["sources"].values()):
        raise ValueError("config: analyses: pilot needs a source of kind prompts; the study has none")
