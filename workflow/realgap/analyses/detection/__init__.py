"""How well a small classifier tells generated images from real ones."""

TITLE = "Can generated images be told from real ones?"
SETTINGS = {
    "images_per_class": {
        "description": "Images of each class of every set; null takes as many as the smallest class of any set has.",
        "type": ["integer", "null"],
        "minimum": 1,
    },
    "folds": {"description": "Parts of the cross-validation.", "type": "integer", "minimum": 2, "maximum": 100},
    "steps": {
        "description": "Optimiser steps of the detector that sees pixels.",
        "type": "integer",
        "minimum": 1,
    },
}
