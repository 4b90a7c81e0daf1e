"""Trained classifiers at rest: safetensors that say how they were made and are checked when read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import nn

from realgap.classifier import networks
from realgap.store import files


def save(path: str | Path, state: dict[str, torch.Tensor], attributes: dict[str, Any]) -> None:
    """Write a state dict and what json can hold about it, whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(state.items())}
    # one key: the order of several would differ from run to run, and equal content should be equal bytes
    card = json.dumps({**attributes, "checksum": _digest(state, attributes)}, sort_keys=True)
    files.write(path, serialise(state, metadata={"realgap": card}))


def load(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The state dict and its attributes. Raises ValueError naming the file when it is damaged or not ours."""
    try:
        with safe_open(path, "pt") as file:
            attributes = json.loads((file.metadata() or {})["realgap"])
            checksum = attributes.pop("checksum")
            state = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except FileNotFoundError:
        raise
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        if system := files.system_error(path, error):
            raise system from error
        raise ValueError(
            f"{path}: not a complete classifier of this project ({error}); {files.make_again()}"
        ) from error
    if _digest(state, attributes) != checksum:
        raise ValueError(f"{path}: its content does not match its checksum; {files.make_again()}")
    return state, attributes


def classifier(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """The trained network of a file, in eval mode on the CPU, and its attributes. Raises as `load` does."""
    state, made = load(path)
    options = made["options"]
    stem, expects = options.get("stem", "auto"), options.get("expects")  # files of versions before 2026-12 have none
    model = networks.build(options["architecture"], len(made["classes"]), made["image_size"], stem, expects)
    model.load_state_dict(state)
    return model.eval(), made


def reference(made: dict[str, Any]) -> dict[str, str]:
    """What a file made with a classifier says of the row that it is compared with; nothing where that is `real`."""
    own = made["options"].get("reference")
    return {"reference": own} if own else {}


def _digest(state: dict[str, torch.Tensor], attributes: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode())
    for name, tensor in state.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
