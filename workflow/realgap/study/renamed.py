"""What keys of the configuration were called before: an old study file gets a line that says what to write now."""

from collections.abc import Mapping
from typing import Any

# old key -> new key; dots lead into a section, which has its old name where that was renamed too
RENAMED = {
    "attention": "saliency",
    "mistakes": "errors",
    "mistakes.edge_bins": "errors.distance_bins",
    "errors.edge_bins": "errors.distance_bins",
    "memorisation.chance": "memorisation.near_copy_quantile",
}
# key that is gone -> what to do instead
GONE = {
    "scaling.enabled": "list scaling under analyses",
    "transfer.enabled": "list transfer under analyses",
}


def check(config: Mapping[str, Any]) -> None:
    """Raise ValueError with one line for the first old key, old name of an analysis, or switch that is gone."""
    for old, new in RENAMED.items():
        if _has(config, old):
            inside = [f"{key} to {name}" for key, name in RENAMED.items() if key.startswith(f"{old}.")]
            raise ValueError(f"config: {old}: renamed to {new}{''.join(f', {one}' for one in inside)}")
    for old, instead in GONE.items():
        if _has(config, old):
            raise ValueError(f"config: {old}: gone; {instead}")
    analyses = config.get("analyses")
    for name in analyses if isinstance(analyses, list) else ():
        if isinstance(name, str) and name in RENAMED:
            raise ValueError(f"config: analyses: {name} is renamed to {RENAMED[name]}")
    if _has(config, "geometry.images_per_class") and config["geometry"]["images_per_class"] == 0:
        raise ValueError(
            "config: geometry.images_per_class: must be at least 1; got 0 (for no geometry, leave it out of analyses)"
        )


def _has(config: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(config, Mapping) or name not in config:
            return False
        config = config[name]
    return True
