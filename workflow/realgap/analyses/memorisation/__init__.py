"""Whether generated images repeat training images, and whether classifiers give away what they saw."""

TITLE = "Do generated images repeat the training images?"
SETTINGS = {
    "near_copy_quantile": {
        "description": "Share of held-out real images that count as near copies.",
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 0.5,
    },
    "members_per_class": {
        "description": "Real training images of each class whose losses are taken, or all there are.",
        "type": "integer",
        "minimum": 1,
    },
    "pairs": {
        "description": "Closest pairs shown for each generator.",
        "type": "integer",
        "minimum": 1,
        "maximum": 20,
    },
    "resamples": {"$ref": "#/$defs/resamples"},
}
