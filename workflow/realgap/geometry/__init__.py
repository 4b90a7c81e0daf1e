"""Projective geometry of images: do the lines meet where a camera would have them meet?"""

import importlib
from typing import Any

__all__ = ["vanishing_points"]


def __getattr__(name: str) -> Any:
    """The entry point, found when asked for: a step that renders scenes does not run what finds points in them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("realgap.geometry.vanishing").vanishing_points
