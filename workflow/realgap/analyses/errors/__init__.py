"""Where the classifiers fail."""

from collections.abc import Mapping
from typing import Any

TITLE = "Where do the classifiers fail?"
SETTINGS = {
    "confidence_bins": {
        "description": "Bins of confidence for the calibration error.",
        "type": "integer",
        "minimum": 2,
        "maximum": 1000,
    },
    "distance_bins": {
        "description": "Parts of each class by distance to the real training data.",
        "type": "integer",
        "minimum": 2,
        "maximum": 100,
    },
}


def fewest_tested(config: Mapping[str, Any]) -> tuple[str, int]:
    """The test images that each class needs, and by which key."""
    return "errors.distance_bins", config["errors"]["distance_bins"]
