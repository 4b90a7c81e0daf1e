"""Where the classifiers look: maps of real test images, the same ones for every classifier."""

TITLE = "Where do the classifiers look?"
SETTINGS = {
    "layer": {
        "description": "must be auto, or the name of a module of the classifier, such as layer4",
        "type": "string",
        "pattern": r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$(?!\n)",
    },
    "method": {
        "description": "How maps are made; grad_cam is our fast form, the others are pytorch-grad-cam's.",
        "enum": [
            "grad_cam",
            "grad_cam_reference",
            "grad_cam_plus_plus",
            "hires_cam",
            "layer_cam",
            "xgrad_cam",
            "eigen_cam",
            "score_cam",
        ],
    },
    "images_per_class": {
        "description": "Test images of each class that are looked at; all there are where there are fewer.",
        "type": "integer",
        "minimum": 1,
    },
    "faithfulness_images_per_class": {
        "description": "Those of them on which faithfulness is measured.",
        "type": "integer",
        "minimum": 0,
    },
    "batch_size": {"$ref": "#/$defs/batch_size"},
}
