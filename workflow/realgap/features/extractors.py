"""Features of images by a named network, extracted once and shared by every measure of fidelity.

The embedded default is the penultimate layer of the classifier trained on real images: no download, and
it sees what that classifier sees. The others need weights that the user has put into a folder.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from realgap.base_model import families
from realgap.classifier import networks, training
from realgap.store import files


def penultimate(
    model: nn.Module, images: np.ndarray, *, batch_size: int, device: torch.device, dtype: torch.dtype
) -> np.ndarray:
    """Input of the classifier's last linear layer: float32 (n, d).

    images: uint8 (n, h, w, 3). Features of two classifiers don't compare: use one for all training sets.
    """
    last = networks.inner(model).get_submodule(networks.head(model))
    batches: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda _module, inputs: batches.append(inputs[0].float().cpu()))
    try:
        training.predict(model, images, batch_size=batch_size, device=device, dtype=dtype)
    finally:
        handle.remove()
    return torch.cat(batches).numpy()


@torch.inference_mode()
def extract(
    network: Callable[[Tensor], Tensor], images: np.ndarray, *, batch_size: int, device: torch.device
) -> np.ndarray:
    """Features float32 (n, d) of uint8 (n, h, w, 3) images by a network of `load`."""
    batches = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).split(batch_size)
    return torch.cat([network(batch.to(device)).float().cpu() for batch in batches]).numpy()


def load(name: str, weights: str | Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network `name`, one of EXTRACTORS: uint8 (n, 3, h, w) to features (n, d).

    weights: torch-fidelity's Inception file, or a folder in transformers' layout with safetensors. ValueError
    if the name is unknown or the weights are absent: nothing is downloaded.
    """
    if name not in EXTRACTORS:
        raise ValueError(f"extractor: must be one of {', '.join(EXTRACTORS)}, got '{name}'")
    if not Path(weights).exists():
        raise ValueError(f"extractor: the weights of {name} must be at {weights}; there is nothing")
    return EXTRACTORS[name](Path(weights), device)


def _inception(weights: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """torch-fidelity's port of the network that FID was defined with; 2,048 features."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        torch.load(weights, weights_only=True, mmap=True)  # torch-fidelity would run any code in the file
    except Exception as error:
        raise ValueError(f"{weights}: must hold plain tensors saved by torch, and it doesn't load") from error
    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights)).to(device)
    return lambda images: network(images)[0]


def _dinov2(weights: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Class token of a DINOv2 at 224 px."""
    from transformers import Dinov2Model

    network = _network(Dinov2Model, weights, device)
    return lambda images: network(_normalised(images, *_IMAGENET)).pooler_output


def _clip(weights: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Image embedding of a CLIP at 224 px."""
    from transformers import CLIPVisionModelWithProjection

    network = _network(CLIPVisionModelWithProjection, weights, device)
    return lambda images: network(_normalised(images, *_CLIP)).image_embeds


EXTRACTORS = {"inception": _inception, "dinov2": _dinov2, "clip": _clip}

# mean and standard deviation of the channels that each network was trained with, for images in [0, 1]
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


_UNUSED = re.compile(r"^text_|^logit_scale$|\.position_ids$")


def _network(part: type, weights: Path, device: torch.device) -> nn.Module:
    whole = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    try:
        network, found = part.from_pretrained(
            weights, ignore_mismatched_sizes=True, **whole
        )  # told of, and named below
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"{weights}: could not be loaded as {part.__name__}: {files.brief(error)}") from error
    # a CLIP holds its text half as well, and older ones numbers that are now counted
    found["unexpected_keys"] = [key for key in found["unexpected_keys"] if not _UNUSED.search(key)]
    families.check_whole(weights, network, found)
    return network.to(device).eval()


def _normalised(images: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    """uint8 (n, 3, h, w) to float32 (n, 3, 224, 224), bicubic and antialiased."""
    resized = nn.functional.interpolate(images.float() / 255, (224, 224), mode="bicubic", antialias=True)
    mean, deviation = (torch.tensor(each, device=images.device).view(3, 1, 1) for each in (mean, deviation))
    return (resized.clamp(0, 1) - mean) / deviation
