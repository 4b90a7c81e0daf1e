"""The state of a training in pieces small enough for a repository: what another machine needs to go on from it.

A checkpoint takes 16 bytes a parameter; here it takes 8: the averaged weights in half precision, what the weights
differ from them by and the optimiser's moments in bfloat16. So a training that goes on from here is not the one that
would have gone on from the checkpoint, but it is the same, bit for bit, each time on the same kind of processor.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from realgap.store import files

FORMAT = 1
INDEX = "state.json"  # written last: what it does not name is no part of the state
PIECE = 15 * 2**20  # bytes
MOMENTS = ("exp_avg", "exp_avg_sq")


def write(checkpoint: Path, folder: Path) -> None:
    """Write the state in a file of `fitting.Checkpoint` to `folder`, in place of an older one."""
    content = torch.load(checkpoint, weights_only=True)
    state = save(_packed(content))
    done = len(content["losses"])
    pieces = {
        f"state-{done:07d}.{number:02d}": state[start : start + PIECE]
        for number, start in enumerate(range(0, len(state), PIECE))
    }
    for name, piece in pieces.items():
        files.write(folder / name, piece)
    index = {
        "format": FORMAT,
        "settings": content["settings"],
        "steps": content["steps"],  # to come to
        "done": done,
        "seconds": content["seconds"],
        "averaged": int(content["states"]["average"]["n_averaged"]),
        "groups": content["states"]["optimiser"]["param_groups"],
        "pieces": {name: hashlib.sha256(piece).hexdigest() for name, piece in pieces.items()},
    }
    files.write(folder / INDEX, json.dumps(index, indent=1).encode())
    for path in folder.glob("state-*"):
        if path.name not in pieces:
            path.unlink()


def done(folder: Path) -> int:
    """Steps of training that the state in `folder` has behind it, 0 without one."""
    index = folder / INDEX
    return json.loads(index.read_text())["done"] if index.exists() else 0


def read(folder: Path, checkpoint: Path, settings: str) -> None:
    """Make the checkpoint that a training goes on from; no file without a state.

    ValueError if the state is damaged or of other settings.
    """
    if not (folder / INDEX).exists():
        return
    index = json.loads((folder / INDEX).read_text())
    if index["format"] != FORMAT or index["settings"] != settings:
        raise ValueError(f"{folder / INDEX}: must be of a run with the same settings; delete the folder to start anew")
    content = _unpacked(
        load(b"".join(_piece(folder / name, digest) for name, digest in index["pieces"].items())), index
    )
    with files.whole(checkpoint) as beside:
        torch.save(content, beside)


def _piece(path: Path, digest: str) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path}: must be the piece that {INDEX} names; fetch it again from the repository")
    return content


def _packed(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    states = content["states"]
    packed = {"losses": torch.tensor(content["losses"], dtype=torch.float16)}
    for name, weight in states["module"].items():
        average = states["average"][f"module.{name}"].half()
        packed[f"average.{name}"] = average
        packed[f"difference.{name}"] = (weight - average.float()).bfloat16()
    for number, moments in states["optimiser"]["state"].items():
        packed |= {f"{name}.{number}": moments[name].bfloat16() for name in MOMENTS}
    return {name: tensor.cpu().contiguous() for name, tensor in packed.items()}


def _unpacked(packed: dict[str, torch.Tensor], index: dict[str, Any]) -> dict[str, Any]:
    averages = {name.removeprefix("average."): x.float() for name, x in packed.items() if name.startswith("average.")}
    numbers = [name.partition(".")[2] for name in packed if name.startswith(f"{MOMENTS[0]}.")]
    moments = {
        int(number): {
            "step": torch.tensor(float(index["done"])),
            **{name: packed[f"{name}.{number}"].float() for name in MOMENTS},
        }
        for number in numbers
    }
    return {
        "settings": index["settings"],
        "steps": index["steps"],
        "losses": packed["losses"].tolist(),
        "seconds": index["seconds"],
        "states": {
            "module": {name: average + packed[f"difference.{name}"].float() for name, average in averages.items()},
            "average": {
                "n_averaged": torch.tensor(index["averaged"]),
                **{f"module.{name}": average for name, average in averages.items()},
            },
            "optimiser": {"state": moments, "param_groups": index["groups"]},
        },
    }
