"""Sizes that decide what can be computed, for those that must know before anything heavy is imported."""

from collections.abc import Mapping
from typing import Any

CIFAR_STEM_BELOW = 96  # px; a stem that divides the image by 4 leaves nothing to look at below that
CUE_FOLDS = 5  # of the cross-fitted classifiers of geometric cues: the fewest images of a source that they take
MOST_PIXELS = 100 * 128 * 128  # of resized images that a classifier is given at once
VAE_BATCH_SIZE = 64  # images that the VAE takes at once; halved where they do not fit

# torchvision's ResNets take images of any size and have these layers; other networks are tried (classifier/check.py)
RESNETS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
)
LAYERS = {
    **dict.fromkeys(RESNETS, ("layer1", "layer2", "layer3", "layer4")),
    "resnet20": ("layer1", "layer2", "layer3"),  # realgap.classifier.networks
}

WEIGHTS = (
    ".safetensors",
    ".pth",
    ".pt",
)  # how a file of a classifier's weights ends; else it is one of torchvision's names


def has_map(settings: Mapping[str, Any], layer: str, image_size: int) -> bool:
    """Whether a classifier is known to give a map of several cells at a layer; settings: of classifier."""
    architecture, size = settings["architecture"], settings["input_size"] or image_size
    if layer == "auto":
        return architecture in LAYERS and image_size > 8
    if layer not in LAYERS.get(architecture, ()):
        return False
    small = size < CIFAR_STEM_BELOW if settings["stem"] == "auto" else settings["stem"] == "cifar"
    halved = int(layer[-1]) - 1 + (0 if small or architecture == "resnet20" else 2)
    return size > 2**halved


def side_by_side(size: int | None, batch_size: int) -> int:
    """At most so many images without gradients, and fewer where a classifier is given larger ones of this side, px."""
    return batch_size if size is None else max(1, min(batch_size, MOST_PIXELS // size**2))


def vae_batch(resolution: int) -> int:
    """Images of so many pixels a side that the VAE takes at once: 64 up to 256 px, as many pixels in all above that.

    That fits a card of 40 GB in fp32 (realgap.cost.sizes counts it).
    """
    return max(1, min(VAE_BATCH_SIZE, VAE_BATCH_SIZE * 256 * 256 // (resolution * resolution)))
