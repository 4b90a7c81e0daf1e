"""The classifiers: torchvision's networks, what is done to images before them, and their initial weights."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from realgap.study.limits import CIFAR_STEM_BELOW

TIMM = "timm/"  # what names of timm's networks begin with


def build(
    architecture: str,
    num_classes: int,
    image_size: int,
    stem: str = "auto",
    expects: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A classifier without pre-trained weights: resnet20 (He et al. 2015, section 4.2), torchvision's, or timm's.

    stem, of torchvision's ResNets: cifar, a 3x3 convolution of stride 1 and no max-pooling (section 4.2 too); stock,
    theirs (7x7 of stride 2, max-pooling); auto, cifar for small images. expects: what the network is given instead of
    the images as they are, as the arguments of Fitted.
    """
    size = image_size if expects is None else expects["size"]
    network = _network(architecture, num_classes, None if expects is None else size)
    small = size < CIFAR_STEM_BELOW if stem == "auto" else stem == "cifar"
    if small and _is_resnet(network):
        network.conv1 = nn.Conv2d(3, network.conv1.out_channels, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network if expects is None else Fitted(network, **expects)


def begin(architecture: str, num_classes: int, image_size: int, stem: str, expects: Mapping | None, seed: int):
    """`build`, with initial weights drawn from the seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(architecture, num_classes, image_size, stem, expects)
    # other networks draw theirs when they are built: their schemes are many
    return initialise(model, seed) if _is_resnet(inner(model)) or isinstance(inner(model), ResNet20) else model


class Fitted(nn.Module):
    """A network behind what it expects of images: their side, and the mean and deviation of their channels.

    It takes pixel values (n, 3, h, w) in [-1, 1] of any size, as the network alone would. size: px of a side; mean,
    std: of each channel of images in [0, 1]; resize_filter: bilinear or bicubic, antialiased.
    """

    def __init__(
        self, network: nn.Module, size: int, mean: list[float], std: list[float], resize_filter: str = "bilinear"
    ) -> None:
        super().__init__()
        self.network, self.size, self.resize_filter = network, size, resize_filter
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        images = (pixel_values.float() + 1) / 2
        if images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(
                images, (self.size, self.size), mode=self.resize_filter, antialias=True, align_corners=False
            ).clamp(0, 1)  # a bicubic filter oversteps
        return self.network((images - self.mean) / self.std)


def inner(model: nn.Module) -> nn.Module:
    """The network itself, whose layers have the names that its makers gave them."""
    return model.network if isinstance(model, Fitted) else model


def head(model: nn.Module) -> str:
    """The name of the last linear layer of the network, which says the classes. ValueError where it has none."""
    linear = {name: one for name, one in inner(model).named_modules() if isinstance(one, nn.Linear)}
    own = inner(model).get_classifier() if hasattr(inner(model), "get_classifier") else None  # timm's know it
    names = [name for name, one in linear.items() if one is own] or list(linear)
    if not names:
        raise ValueError("classifier.architecture: must have a last linear layer, whose place a new one takes")
    return names[-1]


class ResNet20(nn.Module):
    """The smallest ResNet for CIFAR (He et al. 2015, section 4.2), with projections where the width changes.

    0.27 million parameters; a step costs a fourteenth of ResNet-18's with the CIFAR stem.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = _blocks(16, 16), _blocks(16, 32), _blocks(32, 64)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean(dim=(2, 3)))


def no_map(output: object) -> str:
    """Why what a layer gives for square images is no map of channels (n, channels, h, w); empty where it is one.

    Rows of what has its channels last would else be taken for channels, and give maps.
    """
    if not isinstance(output, torch.Tensor):
        return "which gives no tensor"
    shape = "x".join(map(str, output.shape[1:]))
    if output.ndim != 4:
        return f"which gives {shape}"
    return "" if output.shape[2] == output.shape[3] else f"which gives {shape}, channels last"


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


def _network(architecture: str, num_classes: int, size: int | None) -> nn.Module:
    """size: px of what it is given, where that is not the image itself."""
    from torchvision import models

    if architecture == "resnet20":
        return ResNet20(num_classes)
    if architecture.startswith(TIMM):
        return _of_timm(architecture, num_classes, size)
    if architecture not in models.list_models(module=models):  # others fetch weights for their backbones
        raise ValueError(f"classifier.architecture: must be resnet20 or a torchvision classifier, got {architecture!r}")
    # a ViT has an embedding of each place
    own = {"image_size": size} if size is not None and architecture.startswith("vit_") else {}
    return models.get_model(architecture, weights=None, num_classes=num_classes, **own)


def _of_timm(architecture: str, num_classes: int, size: int | None) -> nn.Module:
    timm, name = timm_or_refused(architecture), architecture.removeprefix(TIMM)
    fixed = size is not None and timm.get_pretrained_cfg(name).fixed_input_size
    return timm.create_model(name, pretrained=False, num_classes=num_classes, **({"img_size": size} if fixed else {}))


def timm_or_refused(architecture: str) -> ModuleType:
    """The package timm's models. ValueError where it is not installed, or has no such model."""
    try:
        import timm.models as timm
    except ModuleNotFoundError:
        raise ValueError(
            "classifier.architecture: must be of an installed package, and timm is not (pip install timm); "
            f"got {architecture!r}"
        ) from None
    if not timm.is_model(architecture.removeprefix(TIMM)):
        raise ValueError(f"classifier.architecture: must name a model of timm's after timm/; got {architecture!r}")
    return timm


def _is_resnet(network: nn.Module) -> bool:
    from torchvision import models

    return isinstance(network, models.ResNet)


def _blocks(width: int, out: int) -> nn.Sequential:
    """Three basic blocks; the first halves the side where the width grows."""
    from torchvision.models.resnet import BasicBlock

    project = None
    if out != width:
        project = nn.Sequential(nn.Conv2d(width, out, 1, 2, bias=False), nn.BatchNorm2d(out))
    return nn.Sequential(BasicBlock(width, out, out // width, project), BasicBlock(out, out), BasicBlock(out, out))
