"""Release one embedding for each class: the clipped mean of its images' embeddings with noise, and nothing else.

Beside it stands how far samples are to spread along the directions of a public basis: not at all, as public images do,
or as far as the images do, which is then released with noise too.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from realgap import devices
from realgap.base_model import prompting
from realgap.privacy import accounting, ledger, mechanism, noise
from realgap.run import steps
from realgap.store import naming, provenance, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    study: str
    source: str
    classes: dict[str, int]  # name -> label
    words: dict[str, str]  # name -> what prompts call the class
    num_tokens: int
    count: int  # public number that a class's sum is divided by
    epsilon: float | None  # of this release; null for no noise
    delta: float
    neighbours: str
    clip: float
    directions: int | None  # of the public basis, null for none
    spread: str  # of samples along these directions: "none", "public" or "released"
    budget: float | None  # epsilon of all releases of the data set
    plan: str  # digest of all that is public of the release


def main() -> None:
    args, options = steps.parse(
        __doc__,
        Options,
        embeddings={"nargs": "+"},
        base_model=steps.BASE_MODEL,
        templates={},
        basis={"nargs": "*", "default": []},
        images={},  # names of the images for the ledger
        ledgers={},
        secret={},
        out={},
    )
    inputs = gathered(args, options, devices.pick(options))
    content = _content(options, inputs)
    multiplier = 0.0 if options.epsilon is None else accounting.multiplier(options.epsilon, options.delta)
    secret = b"" if options.epsilon is None else noise.secret(args.secret)
    if options.epsilon is not None:
        names = tuple(json.loads(Path(args.images).read_text(encoding="utf-8")))
        budget = ledger.Ledger(options.budget, options.delta, options.neighbours, images=names)
        ledger.enter(
            args.ledgers, budget, ledger.Release(options.plan, options.study, options.source, multiplier, content)
        )

    def normal(name: str, size: int) -> np.ndarray:
        return noise.normal(secret, f"{content}/{name}", size) if multiplier else np.zeros(size)

    names = sorted(options.classes, key=options.classes.get)
    labels = np.array([options.classes[name] for name in names], np.int64)
    each = [released(inputs, name, options, multiplier, normal) for name in names]
    embeddings, spread = map(np.stack, zip(*each, strict=True))
    arrays = {"embeddings": embeddings, "spread": spread, "labels": labels}
    # no digest of an input: it would tell whether a guess of all images is right
    made = {"step": "release", "options": asdict(options), "guarantee": _guarantee(options, multiplier)}
    made |= {naming.KEY: options.classes, "versions": provenance.versions("torch", "dp-accounting")}
    shards.write(args.out, "release", arrays, made)


class Inputs(NamedTuple):
    """What a release is made of: of each class its start, and of its images, by id, the differences to it."""

    starts: dict[str, np.ndarray]  # float32 (tokens, width)
    image_ids: dict[str, np.ndarray]  # int64 (n,)
    differences: dict[str, np.ndarray]  # float64 (n, tokens * width)
    basis: np.ndarray | None  # orthonormal rows (k, tokens * width), of public images
    deviations: np.ndarray | None  # of these along each of them, (k,)


def gathered(args: Any, options: Options, device: Any) -> Inputs:
    """From the files of the command line: embeddings, basis, base_model and templates."""
    opened = shards.read_all(args.embeddings, "embeddings")
    for path, one in zip(args.embeddings, opened, strict=True):
        _check(path, one.attributes["options"])
    starts = {name: _start(args, options, options.words[name], device) for name in options.classes}
    rows = {name: _differences(opened, label, starts[name]) for name, label in options.classes.items()}
    image_ids, differences = ({name: own[part] for name, own in rows.items()} for part in (0, 1))
    return Inputs(starts, image_ids, differences, *_basis(args, options, device))


def released(
    inputs: Inputs, name: str, options: Options, multiplier: float, normal: Callable[[str, int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What is released of a class: its embedding, float32 (tokens, width), and its spread, float32 (k, tokens, width).

    A sample varies by a standard normal number times each row of the spread, which is one row of zeros where it does
    not. normal: standard normal numbers of a class, so many.
    """
    start, basis, weight = inputs.starts[name], inputs.basis, weight_of(options.spread)
    directions = start.size if basis is None else len(basis)
    mean, deviations = mechanism.released(
        inputs.differences[name],
        normal(name, mechanism.numbers(directions, weight)),
        clip=options.clip,
        multiplier=multiplier,
        neighbours=options.neighbours,
        count=options.count,
        basis=basis,
        weight=weight,
    )
    if options.spread == "public":
        deviations = inputs.deviations
    spread = np.zeros((1, start.size)) if deviations is None else deviations[:, None] * basis
    embedding = (start + mean.reshape(start.shape)).astype(np.float32)
    return embedding, spread.reshape(-1, *start.shape).astype(np.float32)


def weight_of(spread: str) -> float:
    """How much of the noise's share goes into squares beside the mean: as much, or none."""
    return 1.0 if spread == "released" else 0.0


def _check(path: str, made: dict[str, Any]) -> None:
    if made["start"] != "prompt" or made["early_stopping_patience"] is not None:
        raise ValueError(f"{path}: must be of images that were inverted one by one from their prompt, is not")


def _start(args: Any, options: Options, words: str, device: Any) -> np.ndarray:
    """Where the inversion of a class began, float32 (tokens, width): its first prompt, which is public."""
    prompt = prompting.of_class(args.templates, words)[:1]
    return prompting.embed(args.base_model, prompt, device)[0, : options.num_tokens].cpu().numpy()


def _differences(opened: list[shards.Shard], label: int, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids of a class's images, ascending, and the difference of each, float64 (n, tokens * width)."""
    own = [(one["labels"] == label, one) for one in opened]
    ids = np.concatenate([one["image_ids"][chosen] for chosen, one in own])
    embeddings = np.concatenate([one["embeddings"][chosen] for chosen, one in own])
    order = np.argsort(ids, kind="stable")
    return ids[order], (embeddings[order].astype(np.float64) - start).reshape(len(ids), start.size)


def _basis(args: Any, options: Options, device: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Orthonormal rows (k, tokens * width) from embeddings of public images, and how far these spread along each."""
    if options.directions is None:
        return None, None
    public = shards.read_all(args.basis, "embeddings")
    rows, classes = [], []
    for path, one in zip(args.basis, public, strict=True):
        _check(path, one.attributes["options"])
        start = _start(args, options, one.attributes["options"]["class_name"], device)
        classes += [one.attributes["options"]["class_name"]] * len(one)
        if one["embeddings"].shape[1:] != start.shape:
            raise ValueError(f"{path}: must hold embeddings {start.shape}; got {one['embeddings'].shape[1:]}")
        rows.append((one["embeddings"] - start).reshape(len(one), -1))
    differences = np.concatenate(rows)
    basis = mechanism.public_basis(differences, options.directions)
    return basis, mechanism.public_spread(differences, classes, basis)


def _content(options: Options, inputs: Inputs) -> str:
    """Digest of all that decides what is released but the noise: another one must have noise of its own."""
    how = [options.clip, options.epsilon, options.delta, options.neighbours, options.count, options.spread]
    digest = hashlib.sha256(json.dumps(how).encode())
    for name in sorted(inputs.differences):
        digest.update(f"{name}\n".encode() + inputs.starts[name].tobytes() + inputs.differences[name].tobytes())
    digest.update(b"" if inputs.basis is None else inputs.basis.tobytes())
    return digest.hexdigest()


def _guarantee(options: Options, multiplier: float) -> dict[str, Any] | None:
    """What may be claimed of this release alone; None without noise."""
    if options.epsilon is None:
        return None
    width = mechanism.sensitivity(options.clip, options.neighbours, weight_of(options.spread))
    kept = ("epsilon", "delta", "neighbours", "clip", "count", "directions", "spread")
    said = {key: getattr(options, key) for key in kept}
    return {
        **said,
        "mechanism": "Gaussian",
        "noise_multiplier": multiplier,
        "noise_std_of_sum": multiplier * width,
        "noise": "SHAKE-256 of a secret that is not released; not from the study's seed",
    }


if __name__ == "__main__":
    steps.run(main)
