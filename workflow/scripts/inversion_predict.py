"""Predict the embeddings of a shard by the encoder, and give each steps of its own from there, or none."""

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
    max_failed_share: float
    seed: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, moments={}, encoder={}, base_model=steps.BASE_MODEL, out={})
    moments, taught = shards.read(args.moments, "moments"), shards.read(args.encoder, "encoder")
    naming.joint({args.encoder: {naming.KEY: taught.attributes["classes"]}, args.moments: moments.attributes})
    inputs = {"moments": moments.attributes["checksum"], "encoder": taught.attributes["checksum"]}
    made = {"step": "predict", "options": asdict(options), "inputs": inputs, **naming.carried(moments.attributes)}
    checkpoint = checkpoints.Checkpoint(args.out, made)
    network = encoder.unpack(taught["weights"], taught.attributes["numbers"], tuple(taught.attributes["prompts"]))
    classes = naming.positions(moments["labels"], sorted(taught.attributes["classes"].values()))
    start = encoder.predicted(network, moments["mean"], classes)
    if options.steps_per_image:
        arrays, failed = one_by_one.invert(args, options, moments.arrays, lambda unet, device: start, checkpoint)
    else:
        arrays, failed = _as_predicted(start, moments), []
    made |= {"failed": failed, "versions": provenance.versions("torch", "diffusers")}
    shards.write(args.out, "embeddings", arrays, made)
    checkpoint.remove()


def _as_predicted(start: np.ndarray, moments: shards.Shard) -> dict[str, Any]:
    """Of no steps there is one loss, which is not known: a shard has no columns of none."""
    none = {"losses": np.full((len(start), 1), np.nan, np.float32), "visits": np.zeros(len(start), np.int32)}
    return {"embeddings": start, **none, **{name: moments[name] for name in ("labels", "image_ids")}}


if __name__ == "__main__":
    steps.run(main)
