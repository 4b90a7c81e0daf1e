"""Grad-CAM: where a classifier looks. The only module that imports pytorch_grad_cam, and only when asked to.

The maps returned here are raw: after the ReLU, at the layer's own resolution, with their level kept.
pytorch-grad-cam returns `scaled(maps, size)` of the same maps: the lowest value subtracted and the highest
divided out, twice, which makes a nearly flat map and a peaked one of equal height.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from realgap.classifier import families, networks
from realgap.streams import stream

# name here -> class in pytorch_grad_cam; "grad_cam" itself has a fast form of our own
REFERENCE_METHODS = {
    "grad_cam_reference": "GradCAM",
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "xgrad_cam": "XGradCAM",
    "eigen_cam": "EigenCAM",
    "score_cam": "ScoreCAM",  # one forward pass per channel and image
}
METHODS = ("grad_cam", *REFERENCE_METHODS)


class Saliency(NamedTuple):
    """What one classifier says of n images, and where it looks for it."""

    logits: np.ndarray  # (n, classes) float32
    true_maps: np.ndarray  # (n, h, w) float32 >= 0, for the logit of the true label
    predicted_maps: np.ndarray  # (n, h, w) float32 >= 0, for the largest logit


def attend(
    model: nn.Module,
    pixel_values: Tensor,
    labels: Tensor,
    layer: str,
    method: str = "grad_cam",
    batch_size: int = 256,
) -> Saliency:
    """Logits and raw maps of `model` at `layer` for pixel_values (n, 3, H, W) and labels (n,) int64.

    model: in eval mode, on any device; it is left as it was (no gradients, no hooks). layer: a name of a module of the
    network, or auto; tokens become maps (families.as_map). The CIFAR stem leaves 8x8 at layer3 and 4x4 at layer4 of
    32 px images. method: one of METHODS. ValueError if an argument doesn't fit. Source: Selvaraju et al. 2017, arXiv
    1610.02391. CPU seconds for both targets of 100 images of 32 px, one thread, ResNet-18: layer4 1.3, layer3 1.9,
    pytorch-grad-cam 7.5 to 7.9; the forward pass alone 1.1.
    """
    layer = families.layer(model, layer, pixel_values.shape[-1])
    _check(model, pixel_values, labels, layer, method)
    if method == "grad_cam":
        attend_batch = partial(_grad_cam, model, layer)
    else:
        # a copy, since the library leaves gradients behind, and needs them even where weights are frozen
        attend_batch = partial(_reference, copy.deepcopy(model).requires_grad_(), layer, method)
    device = next(model.parameters()).device
    batches = zip(pixel_values.split(batch_size), labels.split(batch_size), strict=True)
    parts = [attend_batch(pixels.to(device), target.to(device)) for pixels, target in batches]
    return Saliency(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


def scaled(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Raw maps (n, h, w) as pytorch-grad-cam returns them, for overlays: (n, *size) float32 in [0, 1]."""
    maps = _stretched(torch.as_tensor(maps, dtype=torch.float32))
    resized = nn.functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    return _stretched(resized).numpy()


def faithfulness(
    model: nn.Module,
    pixel_values: Tensor,
    labels: np.ndarray,
    maps: np.ndarray,
    seed: int,
    percentiles: tuple[int, ...] = (20, 40, 60, 80),
) -> np.ndarray:
    """ROAD of raw maps (n, h, w) for labels (n,): (n,) float32, in probability; 0 = no better than chance.

    Half the difference of the label's probability between images without their least and without their most
    attended pixels (imputed from their neighbours), averaged over `percentiles` removed. Image i depends on
    `seed` and i only. An empty map has no order and gives nan. Takes 0.4 CPU seconds per image of 32 px with
    a ResNet-18: meant for a subset.
    Source: Rong et al. 2022, arXiv 2202.00449; computed by pytorch_grad_cam.
    """
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    _check_lengths(pixel_values, labels=labels, maps=maps)
    road, device = ROADCombined(list(percentiles)), next(model.parameters()).device
    scores = np.full(len(maps), np.nan, dtype=np.float32)
    with torch.random.fork_rng():  # its imputer draws from torch's global stream
        for i in np.flatnonzero(maps.max(axis=(1, 2)) > 0):
            torch.manual_seed(int(stream(seed, "faithfulness", int(i)).integers(2**63)))
            cam = scaled(maps[i : i + 1], pixel_values.shape[-2:])
            target = [ClassifierOutputSoftmaxTarget(int(labels[i]))]
            scores[i] = road(pixel_values[i : i + 1].to(device), cam, target, model)[0]
    return scores


def _grad_cam(model: nn.Module, layer: str, pixel_values: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    closed = _is_last_block(model, layer)
    with torch.set_grad_enabled(not closed), _captured(model, layer) as captured:
        logits = model(pixel_values)
    (activations,) = captured
    as_map, maps = families.as_map(model, layer), []
    for target in (labels, logits.argmax(dim=1)):
        alpha = (
            _last_weights(model, activations, target)
            if closed
            else _mean_gradients(as_map, activations, logits, target)
        )
        # hundreds of terms of both signs nearly cancel: summed in double
        maps.append(torch.einsum("nk,nkhw->nhw", alpha.double(), as_map(activations.detach()).double()).relu())
    return tuple(result.detach().float().cpu() for result in (logits, *maps))


def _is_last_block(model: nn.Module, layer: str) -> bool:
    """Only average pooling and one linear layer follow: the gradient is a row of its weights."""
    network = networks.inner(model)
    return type(network) is torchvision.models.ResNet and layer == "layer4" and isinstance(network.fc, nn.Linear)


@contextmanager
def _captured(model: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """The output of `layer` in the pass to come, cut loose from what precedes it: backward stops there."""
    captured: list[Tensor] = []
    as_map = families.as_map(model, layer)

    def cut(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        if wrong := networks.no_map(as_map(output)):
            raise ValueError(f"layer: must give channels of a map; got '{layer}', {wrong}")
        captured.append(output.detach().requires_grad_(torch.is_grad_enabled()))
        return captured[-1].clone()  # a following in-place ReLU must not change what was captured

    # without gradients of weights, which nobody asks for, nothing before the layer is kept
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    handle = networks.inner(model).get_submodule(layer).register_forward_hook(cut)
    try:
        for parameter in learned:
            parameter.requires_grad_(False)
        yield captured
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
        handle.remove()


def _last_weights(model: nn.Module, activations: Tensor, target: Tensor) -> Tensor:
    return networks.inner(model).fc.weight[target].detach() / activations[0, 0].numel()


def _mean_gradients(as_map: Callable, activations: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    score = logits.gather(1, target[:, None]).sum()
    return as_map(torch.autograd.grad(score, activations, retain_graph=True)[0]).mean(dim=(2, 3))


def _reference(model: nn.Module, layer: str, method: str, pixel_values: Tensor, labels: Tensor):
    """The same by pytorch_grad_cam, up to where it starts to scale the maps."""
    import pytorch_grad_cam

    layers, as_map = [networks.inner(model).get_submodule(layer)], families.as_map(model, layer)
    cam = getattr(pytorch_grad_cam, REFERENCE_METHODS[method])(model, layers, reshape_transform=as_map)
    try:
        logits, true_maps = _reference_maps(cam, layer, pixel_values, labels)
        _, predicted_maps = _reference_maps(cam, layer, pixel_values, logits.argmax(dim=1))
    finally:
        cam.activations_and_grads.release()
    return logits, true_maps, predicted_maps


def _reference_maps(cam, layer: str, pixel_values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(label) for label in labels.tolist()]
    hooks = cam.activations_and_grads
    logits = hooks(pixel_values)
    if wrong := networks.no_map(hooks.activations[0]):
        raise ValueError(f"layer: must give channels of a map; got '{layer}', {wrong}")
    if cam.uses_gradients:
        sum(target(row) for target, row in zip(targets, logits, strict=True)).backward()
    activations, *gradients = (values[0].numpy() for values in (hooks.activations, hooks.gradients) if values)
    gradients = gradients[0] if gradients else None
    maps = cam.get_cam_image(pixel_values, layer, targets, activations, gradients, False)
    return logits.detach().float().cpu(), torch.as_tensor(maps, dtype=torch.float32).relu()


def _stretched(maps: Tensor) -> Tensor:
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax(dim=(1, 2), keepdim=True))


def _check(model: nn.Module, pixel_values: Tensor, labels: Tensor, layer: str, method: str) -> None:
    if model.training:
        raise ValueError("model: must be in eval mode, or batch statistics mix the images")
    _check_lengths(pixel_values, labels=labels)
    if method not in METHODS:
        raise ValueError(f"method: must be one of {', '.join(METHODS)}, got '{method}'")
    if layer not in dict(networks.inner(model).named_modules()):
        raise ValueError(f"layer: must be a module of the classifier such as 'layer4', got '{layer}'")


def _check_lengths(pixel_values: Tensor, **others) -> None:
    for name, values in others.items():
        if len(values) != len(pixel_values):
            raise ValueError(f"{name}: must be one per image, {len(pixel_values)}, got {len(values)}")
