"""How far generated images are from real ones, and how much of them they cover."""

import math
from collections.abc import Mapping
from typing import Any

TITLE = "How far are generated images from real ones, and what do they cover?"
SETTINGS = {
    "images_per_class": {
        "description": "Images of each class of every set; null takes as many as the smallest class of any set has.",
        "type": ["integer", "null"],
        "minimum": 2,
    },
    "neighbours": {"description": "Neighbours that an image's ball reaches to.", "type": "integer", "minimum": 1},
    "resamples": {"$ref": "#/$defs/resamples"},
    "subsets": {
        "description": "Random subsets of the published form of the kernel distance.",
        "type": "integer",
        "minimum": 1,
    },
    "subset_size": {"description": "Images of a subset at most.", "type": "integer", "minimum": 2},
}


def check(config: Mapping[str, Any]) -> None:
    """A ball of neighbours needs a second image of the class."""
    dataset = config["dataset"]
    if min(dataset["images_per_class"], dataset["test_images_per_class"] or math.inf) < 2:
        raise ValueError("config: analyses: must leave out fidelity where a class has 1 real image; got fidelity")
