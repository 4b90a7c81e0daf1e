"""Encode a shard of real images: the VAE posterior's mean and standard deviation, once per image."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap import devices
from realgap.base_model import autoencoder
from realgap.run import steps
from realgap.store import naming, provenance, shards
from realgap.study.limits import vae_batch


@dataclass(frozen=True)
class Options(devices.Compute):
    resolution: int


def main() -> None:
    args, options = steps.parse(__doc__, Options, images={}, base_model=steps.BASE_MODEL, out={})
    device = devices.pick(options)
    vae = autoencoder.load(args.base_model, device, devices.pick_dtype(options.precision, device))
    devices.arrange(vae, options, device, called=["encoder"])
    real = shards.read(args.images, "images")
    batches = devices.in_batches(
        lambda rows: autoencoder.encode(vae, real["images"][rows], options.resolution),
        len(real),
        vae_batch(options.resolution),
    )
    mean, std = (np.concatenate(moments) for moments in zip(*batches, strict=True))
    for image_id, *moments in zip(real["image_ids"], mean, std, strict=True):
        if not np.isfinite(moments).all():
            raise ValueError(f"{args.images}: the VAE makes no finite numbers of image {image_id}")
    arrays = {"mean": mean, "std": std, "labels": real["labels"], "image_ids": real["image_ids"]}
    made = {
        "step": "encode",
        "options": asdict(options),
        "inputs": {"images": real.attributes["checksum"]},
        **naming.carried(real.attributes),
        "versions": provenance.versions("torch", "diffusers"),
    }
    shards.write(args.out, "moments", arrays, made)


if __name__ == "__main__":
    steps.run(main)
