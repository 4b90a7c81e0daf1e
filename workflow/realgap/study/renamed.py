"""Keys of the configuration that older studies have, and what to write instead."""

from collections.abc import Mapping
from typing import Any

# old key -> what to write; what an older study lists under analyses is found here as well
RENAMED = {
    "inversion.visits": "inversion.steps_per_image",
    "sampling.variants": "sampling.samples_per_image",
    "sampling.stable_diffusion": "sources.stable_diffusion, with kind: prompts, and prompts.templates",
    "sampling.diffusion_inversion": "sources.diffusion_inversion, with kind: inversion",
    "attention": "saliency",
    "mistakes": "errors, with distance_bins for edge_bins",
    "errors.edge_bins": "errors.distance_bins",
    "detection.resamples": "nothing in its place: its intervals take no resamples",
    "memorisation.chance": "memorisation.near_copy_quantile",
    "scaling.enabled": "scaling under analyses, or leave it out there",
    "transfer.enabled": "transfer under analyses, or leave it out there",
    "pretraining": "digits in workflow/pretraining/config.yaml",
    "pretraining_natural": "natural in workflow/pretraining/config.yaml",
}


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError for an old key or switch, with what to write instead."""
    for old, new in RENAMED.items():
        if _value(config, old) is not None:
            raise ValueError(f"config: {old}: no longer a key; write {new}")
    analyses = config.get("analyses")
    for name in analyses if isinstance(analyses, list) else ():
        if isinstance(name, str) and name in RENAMED:
            new = RENAMED[name].partition(",")[0]
            raise ValueError(f"config: analyses: {name} is no longer the name of an analysis; write {new}")
    if _value(config, "geometry.images_per_class") == 0:
        raise ValueError("config: geometry.images_per_class: 0 is no longer a switch; leave geometry out of analyses")


def _value(config: Any, key: str) -> Any:
    """What stands at a dotted key; None where nothing does."""
    for name in key.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config
