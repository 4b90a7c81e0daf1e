"""Invert the rest of a shard: few steps, or none, from where the encoder of the first images says that each starts."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realgap import devices
from realgap.diffusion import encoder, inversion
from realgap.run import steps
from realgap.store import checkpoints, naming, provenance, shards
from scripts import inversion_invert as one_by_one


@dataclass(frozen=True)
class Options(inversion.Settings, devices.Compute):
    first: int  # images of the shard that were inverted before, its first ones
    max_failed_share: float
    seed: int


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, moments={}, encoder={}, first={"nargs": "*"}, base_model=steps.BASE_MODEL, out={}
    )
    moments, fitted = shards.read(args.moments, "moments"), shards.read(args.encoder, "encoder")
    before = shards.read_all(args.first, "embeddings")
    own = {args.moments: moments.attributes, args.encoder: {naming.KEY: fitted.attributes["classes"]}}
    naming.joint(own | dict(zip(args.first, (one.attributes for one in before), strict=True)))
    made = {"step": "invert_rest", "options": asdict(options), "inputs": _inputs(moments, fitted, before)}
    made |= naming.carried(moments.attributes)
    rest = {name: array[options.first :] for name, array in moments.arrays.items()}
    start = encoder.predict(
        encoder.Encoder(fitted["weights"], np.array(fitted.attributes["labels"])), rest["mean"], rest["labels"]
    )
    checkpoint = checkpoints.Checkpoint(args.out, made)
    if options.steps_per_image and len(start):
        arrays, failed = one_by_one.invert(args, options, rest, lambda unet, device: start, checkpoint)
    else:
        arrays, failed = _as_predicted(start, rest), []
    failed = [image_id for one in before for image_id in one.attributes["failed"]] + failed
    made |= {"failed": failed, "versions": provenance.versions("torch", "diffusers")}
    shards.write(args.out, "embeddings", _joined([*(one.arrays for one in before), arrays]), made)
    checkpoint.remove()


def _inputs(moments: shards.Shard, fitted: shards.Shard, before: list[shards.Shard]) -> dict[str, str]:
    opened = {"moments": [moments], "encoder": [fitted], "first": before}
    return {name: shards.joint(one.attributes["checksum"] for one in some) for name, some in opened.items() if some}


def _as_predicted(start: np.ndarray, rest: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    none = {"losses": np.empty((len(start), 0), np.float32), "visits": np.zeros(len(start), np.int32)}
    return {"embeddings": start, **none, **{name: rest[name] for name in ("labels", "image_ids")}}


def _joined(parts: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The images inverted before, then the others; losses of fewer parts end in NaN, those of none are one NaN."""
    most = max(1, *(part["losses"].shape[1] for part in parts))
    losses = [
        np.pad(part["losses"], ((0, 0), (0, most - part["losses"].shape[1])), constant_values=np.nan) for part in parts
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "losses"}
    return {**joined, "losses": np.concatenate(losses)}


if __name__ == "__main__":
    steps.run(main)
