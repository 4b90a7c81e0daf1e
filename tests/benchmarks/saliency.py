"""Grad-CAM for the true and for the predicted label, against pytorch-grad-cam in batches (G0)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from realgap.analyses.saliency import grad_cam
from realgap.classifier import networks
from tests.benchmarks.harness import Contest


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    n, side = (32, 16) if device.type == "cpu" else (1_000, 32)
    random = torch.Generator().manual_seed(0)
    pixel_values = torch.rand((n, 3, side, side), generator=random) * 2 - 1
    labels = torch.randint(10, (n,), generator=random)
    for layer in ("layer3", "layer4"):
        model = networks.initialise(networks.build("resnet18", 10, side), seed=0).to(device).eval()
        yield Contest(
            f"Grad-CAM, {layer}",
            f"maps of {n} images of {side} px for 2 labels each, ResNet-18, fp32",
            n,
            {
                "ours": lambda model=model, layer=layer: grad_cam.attend(model, pixel_values, labels, layer),
                "G0 (pytorch-grad-cam, batched)": library(model, layer, pixel_values, labels, device),
            },
            {"G0 (pytorch-grad-cam, batched)": 3.0},
        )


def library(
    model: nn.Module, layer: str, pixel_values: Tensor, labels: Tensor, device: torch.device
) -> Callable[[], object]:
    targets = [ClassifierOutputTarget(label) for label in labels.tolist()]

    def call() -> tuple[np.ndarray, np.ndarray]:
        with GradCAM(model, [model.get_submodule(layer)]) as cam:
            some = range(0, len(labels), 256)
            true = [cam(pixel_values[i : i + 256].to(device), targets[i : i + 256]) for i in some]
            predicted = [cam(pixel_values[i : i + 256].to(device), None) for i in some]
        return np.concatenate(true), np.concatenate(predicted)

    return call
