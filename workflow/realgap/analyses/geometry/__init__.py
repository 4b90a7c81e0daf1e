"""Do the lines bend and do the shadows lie?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realgap.study import counts
from realgap.study.limits import CUE_FOLDS

TITLE = "Do the lines bend?"
TITLE_WITH_SHADOWS = "Do the lines bend and do the shadows lie?"
SETTINGS = {
    "images_per_class": {
        "description": "Images of each class and source whose geometry is measured.",
        "type": "integer",
        "minimum": 1,
    },
    "detector": {
        "description": "What finds line segments, lsd or the path of an ONNX file.",
        "type": "string",
        "minLength": 1,
    },
    "controls": {
        "type": "object",
        "additionalProperties": False,
        "required": ["resample", "blur_px", "warp"],
        "properties": {
            "resample": {
                "description": "Factor by which real images are made smaller before they are made large again.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 1,
            },
            "blur_px": {
                "description": "Standard deviation of the blur of real images, px.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 100,
            },
            "warp": {
                "description": "Standard deviation of the bending of real images, as a share of their longer side.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 0.2,
            },
        },
    },
    "confidence": {
        "description": "Confidence from which the classifier of pixels counts as sure.",
        "type": "number",
        "minimum": 0.5,
        "exclusiveMaximum": 1,
    },
    "shadow_pairs": {
        "description": "CSV file of annotated shadows, or null.",
        "type": ["string", "null"],
        "minLength": 1,
    },
    "shadow_tolerance_deg": {
        "description": "How far the annotated points may be off, degrees each side.",
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 45,
    },
}


def check(config: Mapping[str, Any]) -> None:
    """A detector must be there, and classifiers of cues need an image a fold."""
    own, dataset = config["geometry"], config["dataset"]
    if own["detector"] != "lsd" and not Path(own["detector"]).is_file():
        raise ValueError(
            f"config: geometry.detector: must be lsd or an ONNX file; got {own['detector']!r}, no such file"
        )
    kept = config["sampling"]["full_size_per_class"] or counts.smallest(config)
    measured = len(dataset["classes"]) * min(own["images_per_class"], kept)
    if measured < CUE_FOLDS:
        raise ValueError(
            f"config: geometry.images_per_class: must give {CUE_FOLDS} images of all classes together, or leave "
            f"geometry out of analyses; got {measured}"
        )
