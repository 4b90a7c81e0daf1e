"""The classifiers: torchvision's networks, their stages, and their initial weights."""

import torch
from torch import nn

from realgap.study.limits import CIFAR_STEM_BELOW


def build(architecture: str, num_classes: int, image_size: int) -> nn.Module:
    """A torchvision classifier without pre-trained weights; ResNets get the CIFAR stem for small images.

    The CIFAR stem is a 3x3 convolution of stride 1 and no max-pooling (He et al. 2015, section 4.2).
    """
    from torchvision import models

    if architecture not in models.list_models(module=models):  # others fetch weights for their backbones
        raise ValueError(f"classifier.architecture: must be a torchvision classifier, got {architecture!r}")
    model = models.get_model(architecture, weights=None, num_classes=num_classes)
    if image_size < CIFAR_STEM_BELOW and isinstance(model, models.ResNet):
        model.conv1 = nn.Conv2d(3, model.conv1.out_channels, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    return model


def no_map(output: object) -> str:
    """Why the output of a layer for square images is no map of channels (n, channels, h, w); empty where it is one.

    Vision transformers have tokens, and Swin keeps channels last: taken for channels, its rows would give maps.
    """
    if not isinstance(output, torch.Tensor):
        return "which gives no tensor"
    shape = "x".join(map(str, output.shape[1:]))
    if output.ndim != 4:
        return f"which gives {shape}"
    return "" if output.shape[2] == output.shape[3] else f"which gives {shape}, channels last"


def stages(model: nn.Module) -> list[list[nn.Module]]:
    """The stages of a ResNet from its input on, the last linear layer left out: stem, layer1 to layer4.

    ValueError for another network: its stages are not known here.
    """
    from torchvision import models

    if not isinstance(model, models.ResNet):
        raise ValueError(
            f"classifier.architecture: must be a ResNet to freeze stages of it, got {type(model).__name__}"
        )
    return [[model.conv1, model.bn1], [model.layer1], [model.layer2], [model.layer3], [model.layer4]]


def initialise(model: nn.Module, seed: int) -> nn.Module:
    """The model's own initialisation drawn from the seed, leaving the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d):  # torchvision's ResNet initialisation
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
