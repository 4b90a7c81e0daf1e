"""Decode the VAE means of real images: the control that shows what any latent method can keep."""

from dataclasses import asdict, dataclass

import numpy as np
import torch

from realgap import devices
from realgap.base_model import autoencoder
from realgap.run import steps
from realgap.store import naming, provenance, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    source: str
    image_size: int
    images: int | None  # the first so many of the shard, null for all


def main() -> None:
    args, options = steps.parse(__doc__, Options, moments={}, base_model=steps.BASE_MODEL, out={})
    device = devices.pick(options)
    vae = autoencoder.load(args.base_model, device, devices.pick_dtype(options.precision, device))
    devices.arrange(vae, options, device, called=["decoder"])
    moments = shards.read(args.moments, "moments")
    rows = slice(options.images)
    latents = torch.from_numpy(moments["mean"][rows]).to(device) * vae.config.scaling_factor
    images = autoencoder.decoder(vae, options.image_size)(latents)
    arrays = {
        "images": images,
        "labels": moments["labels"][rows],
        "image_ids": moments["image_ids"][rows],
        "variants": np.zeros(len(images), np.int32),
    }
    inputs = {"moments": moments.attributes["checksum"]}
    made = {"step": "reconstruct", "source": options.source, "options": asdict(options), "inputs": inputs}
    made |= naming.carried(moments.attributes)
    shards.write(args.out, "images", arrays, {**made, "versions": provenance.versions("torch", "diffusers")})


if __name__ == "__main__":
    steps.run(main)
