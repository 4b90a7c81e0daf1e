"""Whether a classifier takes a study's images and has the layer that is looked at, tried without weights or memory.

Imported only for networks that are not known to do: it takes seconds, because torch does.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from realgap.classifier import families, networks, pretrained


def check(settings: Mapping[str, Any], image_size: int, num_classes: int, layer: str | None, linear: bool) -> None:
    """Raise ValueError with one line for a network that cannot be trained on such images, or looked at there.

    settings: of the classifier. layer: None where no maps are made. linear: whether features before a last linear layer
    are wanted.
    """
    architecture, weights = settings["architecture"], settings["weights"]
    try:
        expects = pretrained.expects(architecture, weights, settings["input_size"])
        model = without_memory(architecture, num_classes, image_size, settings["stem"], expects)
        logits = model.train()(torch.empty(2, 3, image_size, image_size, device="meta"))
    except ValueError as error:
        if str(error).startswith("classifier."):
            raise ValueError(f"config: {error}") from error
        if str(error).startswith("config: "):
            raise
        raise ValueError(_refused(settings, image_size, error)) from error
    except (RuntimeError, AssertionError, TypeError, IndexError, NotImplementedError) as error:
        raise ValueError(_refused(settings, image_size, error)) from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, num_classes):
        raise ValueError(f"config: classifier.architecture: must give logits alone to be trained; got {architecture!r}")
    _check_head(model, settings, linear)
    if weights is not None and Path(path := pretrained.file_of(architecture, weights)).is_file():
        try:
            pretrained.load(model, architecture, path)
        except ValueError as error:
            raise ValueError(f"config: classifier.weights: {error}") from error
    if layer is not None:
        _check_layer(model.eval(), architecture, image_size, layer)


def check_stages(settings: Mapping[str, Any], image_size: int) -> None:
    """Raise ValueError with one line for a network whose stages are not known, or that cannot be built for them."""
    architecture = settings["architecture"]
    try:
        expects = pretrained.expects(architecture, settings["weights"], settings["input_size"])
        families.stages(without_memory(architecture, 2, image_size, settings["stem"], expects))
    except ValueError as error:
        raise ValueError(
            "config: analyses: must leave out transfer unless the stages of the classifier are known, as those of "
            "ResNet, RegNet, VGG, DenseNet, MobileNet, MNASNet, EfficientNet, ConvNeXt, Swin and ViT are; "
            f"got {architecture!r}"
        ) from error


def without_memory(architecture: str, *built: Any) -> nn.Module:
    """networks.build on torch's device without memory."""
    try:
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):  # GoogLeNet's, of how it draws weights
            return networks.build(architecture, *built)
    except NotImplementedError:  # a RegNet computes its widths with tensors, and reads them
        return networks.build(architecture, *built).to("meta")


def _refused(settings: Mapping[str, Any], image_size: int, error: Exception) -> str:
    first, architecture = " ".join(str(error).split())[:150], settings["architecture"]
    if settings["input_size"] is not None:
        return (
            f"config: classifier.input_size: must be a side that {architecture} takes; got {settings['input_size']} "
            f"({first})"
        )
    return (
        f"config: classifier.architecture: must take images of dataset.image_size {image_size}; got {architecture!r}, "
        f"which does not ({first})"
    )


def _check_head(model: nn.Module, settings: Mapping[str, Any], linear: bool) -> None:
    """Where there is no last linear layer there are no features before it, and nothing new to put on weights."""
    if any(isinstance(module, nn.Linear) for module in model.modules()):
        return
    architecture = settings["architecture"]
    if linear:
        raise ValueError(
            f"config: features.extractor: must be another than classifier, {architecture!r} has no last linear layer"
        )
    if given := [key for key in ("weights", "backbone_lr") if settings[key] is not None]:
        raise ValueError(
            f"config: classifier.{given[0]}: must be null for {architecture}, which has no last linear layer; got "
            f"{settings[given[0]]!r}"
        )


def _check_layer(model: nn.Module, architecture: str, image_size: int, layer: str) -> None:
    try:
        layer = families.layer(model, layer, image_size)
    except ValueError as error:
        raise ValueError(f"config: {error} of {architecture}") from error
    seen: list[object] = []
    network = networks.inner(model)
    try:
        network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    except AttributeError:
        names = ", ".join(name for name, _ in network.named_children())
        raise ValueError(
            f"config: saliency.layer: must be auto or a module of {architecture}, such as {names}; got {layer!r}"
        ) from None
    model(torch.empty(1, 3, image_size, image_size, device="meta"))
    output = families.as_map(model, layer)(seen[0]) if seen else None
    if wrong := networks.no_map(output):
        raise ValueError(
            f"config: saliency.layer: must give channels of a map; got {layer!r} of {architecture}, {wrong}"
        )
    if output.shape[-1] == 1:
        raise ValueError(
            f"config: saliency.layer: must give a map of more than one cell; got {layer!r} of {architecture} for "
            f"images of {image_size} px"
        )
