"""Weights that a classifier begins at: torchvision's by name, or a file; what they expect of images; their loading.

torchvision is imported where it is asked: who has no such weights waits for nothing.
"""

import inspect
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from realgap.store import files
from realgap.study import limits

FOLDER = Path("resources/weights")  # where named weights are fetched to, for all studies


class Published(NamedTuple):
    """Weights of torchvision's as a file."""

    url: str
    sha256: str  # its first digits, which stand in the file's name
    path: Path  # where it is kept


def is_file(weights: str) -> bool:
    """Whether the setting classifier.weights is a path, and not one of torchvision's names."""
    return weights.endswith(limits.WEIGHTS)


def published(architecture: str, name: str) -> Published:
    """What torchvision calls by this name. Raises ValueError, one line, where it has no such weights."""
    url = _entry(architecture, name).url
    file = url.rsplit("/", 1)[1]
    found = re.search(r"-([0-9a-f]{8,})\.", file)  # as torch.hub reads it
    if found is None:
        raise ValueError(f"config: classifier.weights: must be a file for {architecture}; {url} says no checksum")
    return Published(url, found[1], FOLDER / file)


def file_of(architecture: str, weights: str) -> Path:
    """Where the weights are, or will be once they are fetched."""
    return Path(weights) if is_file(weights) else published(architecture, weights).path


def expects(architecture: str, weights: str | None, input_size: int | None) -> dict[str, Any] | None:
    """What a network is to be given, as arguments of networks.Fitted; None for the images as they are.

    Weights say a size, a mean, a deviation and a filter; those of a file are taken for torchvision's best of the same
    architecture. Without weights images are only resized.
    """
    if weights is None or architecture == "resnet20":
        plain = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_filter": "bilinear"}  # [-1, 1], as they are
        return None if input_size is None else {"size": input_size, **plain}
    if architecture.startswith("timm/"):
        return _expects_of_timm(architecture, input_size)
    preset = _entry(architecture, "DEFAULT" if is_file(weights) else weights).transforms()
    return {
        "size": input_size or preset.crop_size[0],
        "mean": list(preset.mean),
        "std": list(preset.std),
        "resize_filter": preset.interpolation.value,
    }


def load(model: Any, architecture: str, path: str | Path) -> None:
    """Put the weights of a file into a model, all but its last linear layer, which stays as it is.

    Raises ValueError with one line that names the first key that does not fit, or says why the file cannot be read.
    """
    from realgap.classifier import networks

    network, head = networks.inner(model), f"{networks.head(model)}."
    own, held = network.state_dict(), _as_named_now(network, read(path))
    new = {key: values for key, values in own.items() if key.startswith(head)}
    kept = OrderedDict((key, values) for key, values in held.items() if not key.startswith(head))
    if wrong := [key for key, values in kept.items() if key in own and own[key].shape != values.shape]:
        was, must = (" x ".join(map(str, of[wrong[0]].shape)) or "one number" for of in (kept, own))
        raise _misfit(path, architecture, wrong[0], f"is {was} and must be {must}")
    whole = OrderedDict({**kept, **new})
    if (versions := getattr(held, "_metadata", None)) is not None:  # by which torch reads older layouts
        whole._metadata = versions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network without memory takes no values
        missing, unexpected = network.load_state_dict(whole, strict=False)
    if missing:
        raise _misfit(path, architecture, missing[0], "is not there")
    if unexpected:
        raise _misfit(path, architecture, unexpected[0], "is none of its keys")


def read(path: str | Path) -> Mapping[str, Any]:
    """The tensors of a file by name; one of torch's is read without running what stands in it."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if str(path).endswith(".safetensors"):
            held = load_file(path)
        else:
            # files of before 2020 are no archives and cannot be mapped
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except FileNotFoundError:
        raise
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        if system := files.system_error(path, error):
            raise system from error
        raise ValueError(f"{path}: must be weights that torch can read; got a file that it cannot") from error
    for key in ("state_dict", "model"):  # a whole checkpoint of a training
        held = held[key] if isinstance(held, Mapping) and isinstance(held.get(key), Mapping) else held
    if not isinstance(held, Mapping) or not all(isinstance(values, torch.Tensor) for values in held.values()):
        raise ValueError(f"{path}: must hold tensors by name; got {type(held).__name__} with other things")
    return held


def _entry(architecture: str, name: str) -> Any:
    from torchvision import models

    known = models.list_models(module=models)
    names = [one.name for one in models.get_model_weights(architecture)] if architecture in known else []
    if name == "DEFAULT" and names:
        return models.get_model_weights(architecture).DEFAULT
    if name not in names:
        listed = ", ".join([*names, *(["DEFAULT"] if names else [])])
        raise ValueError(
            f"config: classifier.weights: must be null, a file ({', '.join(limits.WEIGHTS)}), or of {architecture} one "
            f"of {listed or 'none'}; got {name!r}"
        )
    return models.get_model_weights(architecture)[name]


def _expects_of_timm(architecture: str, input_size: int | None) -> dict[str, Any]:
    from realgap.classifier import networks

    name = architecture.removeprefix(networks.TIMM)
    preset = networks.timm_or_refused(architecture).get_pretrained_cfg(name)
    filters = {"size": input_size or preset.input_size[-1], "resize_filter": preset.interpolation}
    return {**filters, "mean": list(preset.mean), "std": list(preset.std)}


def _as_named_now(network: Any, held: Mapping[str, Any]) -> Mapping[str, Any]:
    """Weights in the layout that torchvision or timm itself brings up to date when it loads its own."""
    from torchvision import models
    from torchvision.models import densenet, vision_transformer

    if hasattr(network, "pretrained_cfg"):
        from timm.models import clean_state_dict

        bring = getattr(inspect.getmodule(type(network)), "checkpoint_filter_fn", lambda state, _: state)
        return bring(clean_state_dict(OrderedDict(held)), network)
    if isinstance(network, models.DenseNet):  # its files have keys that modules may no longer have
        renamed: list[Mapping[str, Any]] = []
        file = SimpleNamespace(get_state_dict=lambda **_: OrderedDict(held))
        densenet._load_state_dict(SimpleNamespace(load_state_dict=renamed.append), file, progress=False)
        return renamed[0]
    if isinstance(network, models.VisionTransformer) and "encoder.pos_embedding" in held:  # for another size
        versions = getattr(held, "_metadata", None)
        held = vision_transformer.interpolate_embeddings(network.image_size, network.patch_size, OrderedDict(held))
        held._metadata = versions
    return held


def _misfit(path: str | Path, architecture: str, key: str, what: str) -> ValueError:
    return ValueError(f"{path}: must hold the weights of {architecture}; got others: {key} {what}")
