"""Keys of the configuration that older studies have, and what to write instead."""

from collections.abc import Mapping
from typing import Any

# old key -> what to write
RENAMED = {
    "inversion.visits": "inversion.steps_per_image",
    "sampling.variants": "sampling.samples_per_image",
    "sampling.stable_diffusion": "sources.stable_diffusion, with kind: prompts, and prompts.templates",
    "sampling.diffusion_inversion": "sources.diffusion_inversion, with kind: inversion",
    "pretraining": "digits in workflow/pretraining/config.yaml",
    "pretraining_natural": "natural in workflow/pretraining/config.yaml",
}


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError for an old key, with what to write instead."""
    for old, new in RENAMED.items():
        place: Any = config
        for key in old.split("."):
            place = place.get(key) if isinstance(place, Mapping) else None
        if place is not None:
            raise ValueError(f"config: {old}: no longer a key; write {new}")
