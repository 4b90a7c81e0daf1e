"""What keys of the configuration were called before: an old study file gets a line that says what to write now."""

from collections.abc import Mapping
from typing import Any

# sections that stand in another file now
MOVED = {
    "pretraining": "workflow/pretraining/config.yaml, section digits",
    "pretraining_natural": "workflow/pretraining/config.yaml, section natural",
}


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError with one line for the first old key."""
    for old, new in MOVED.items():
        if old in config:
            raise ValueError(f"config: {old}: moved to {new}")
