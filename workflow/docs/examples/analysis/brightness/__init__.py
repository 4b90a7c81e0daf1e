"""How bright the images of each source are."""

TITLE = "Are generated images as bright as real ones?"
SETTINGS = {"resamples": {"$ref": "#/$defs/resamples"}}
