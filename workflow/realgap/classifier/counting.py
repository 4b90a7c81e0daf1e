"""What a classifier costs where realgap.cost.flops does not count it: tried on torch's device without memory.

Imported only for such networks: it takes seconds, because torch does.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from realgap.classifier import check, networks, pretrained


class Counted(NamedTuple):
    """Of one network."""

    forward: float  # FLOPs of one image
    parameters: int
    features: int  # before its last linear layer
    size: int | None  # px that images are resized to, if they are
    saved_bytes: int  # of one image, for the backward pass: what every layer gives, in fp32


def count(settings: Mapping[str, Any], image_size: int, num_classes: int) -> Counted:
    """settings: of the classifier, checked."""
    expects = pretrained.expects(settings["architecture"], settings["weights"], settings["input_size"])
    built = num_classes, image_size, settings["stem"], expects
    model = check.without_memory(settings["architecture"], *built).eval()
    given: list[int] = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output: given.append(output.numel()))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, image_size, image_size, device="meta"))
    learned = sum(parameter.numel() for parameter in model.parameters())
    linear = [module for module in networks.inner(model).modules() if isinstance(module, torch.nn.Linear)]
    features, size = linear[-1].in_features if linear else 0, expects and expects["size"]
    return Counted(float(counter.get_total_flops()), learned, features, size, 4 * sum(given))
