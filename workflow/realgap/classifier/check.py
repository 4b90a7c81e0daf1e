"""Whether a classifier takes a study's images and has the layer that is looked at, tried without weights or memory.

Imported only for networks that are not known to do: it takes seconds, because torch does.
"""

import torch
from torch import nn

from realgap.classifier import networks


def check(architecture: str, image_size: int, num_classes: int, layer: str | None, linear: bool) -> None:
    """Raise ValueError with one line for a network that cannot be trained on such images, or looked at there.

    layer: None where no maps are made. linear: whether features before a last linear layer are wanted.
    """
    try:
        with torch.device("meta"):
            model = networks.build(architecture, num_classes, image_size)
            logits = model.train()(torch.empty(2, 3, image_size, image_size))
    except ValueError as error:
        if "torchvision classifier" in str(error):
            raise ValueError(f"config: {error}") from error
        raise ValueError(_refused(architecture, image_size, error)) from error
    except (RuntimeError, AssertionError, TypeError, IndexError, NotImplementedError) as error:
        raise ValueError(_refused(architecture, image_size, error)) from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, num_classes):
        raise ValueError(f"config: classifier.architecture: must give logits alone to be trained; got {architecture!r}")
    if linear and not any(isinstance(module, nn.Linear) for module in model.modules()):
        raise ValueError(
            f"config: features.extractor: must be another than classifier, {architecture!r} has no last linear layer"
        )
    if layer is not None:
        _check_layer(model.eval(), architecture, image_size, layer)


def _refused(architecture: str, image_size: int, error: Exception) -> str:
    first = " ".join(str(error).split())[:150]
    return (
        f"config: classifier.architecture: must take images of dataset.image_size {image_size}; got {architecture!r}, "
        f"which does not ({first})"
    )


def _check_layer(model: nn.Module, architecture: str, image_size: int, layer: str) -> None:
    seen: list[object] = []
    try:
        model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    except AttributeError:
        names = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"config: saliency.layer: must be a module of {architecture}, such as {names}; got {layer!r}"
        ) from None
    with torch.device("meta"):
        model(torch.empty(1, 3, image_size, image_size))
    if wrong := networks.no_map(seen[0] if seen else None):
        raise ValueError(
            f"config: saliency.layer: must give channels of a map; got {layer!r} of {architecture}, {wrong}"
        )
