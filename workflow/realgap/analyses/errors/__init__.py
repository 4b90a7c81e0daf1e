"""Where the classifiers fail."""

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
