"""How far generated images are from real ones, and how much of them they cover."""

import math
from collections.abc import Mapping
from typing import Any

from realgap.study import counts

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
    if min(counts.smallest(config), dataset["test_images_per_class"] or math.inf) < 2:
        raise ValueError("config: analyses: must leave out fidelity where a class has 1 real image; got fidelity")


def fewest_tested(config: Mapping[str, Any]) -> tuple[str, int]:
    """The test images that each class needs, and by which key: a distance to a neighbour needs two."""
    return "analyses", 2
