"""Sample images of a class from what was released of it; real images are not read, nor counted."""

from dataclasses import asdict, dataclass, field

import numpy as np

from realgap.diffusion import sampling
from realgap.run import steps
from realgap.store import naming, provenance, shards
from scripts import sampling_sample as sample

MOST_IMAGES = 10**9  # of a class


@dataclass(frozen=True)
class Options(sample.Options):
    label: int = field(kw_only=True)  # of the class
    first: int = field(kw_only=True)  # number of the shard's first image within its class


def main() -> None:
    args, options = steps.parse(__doc__, Options, release={}, base_model=steps.BASE_MODEL, out={})
    released = shards.read(args.release, "release")
    model = sample.load(args.base_model, options)
    # below zero: images of their own, made of none of the real ones
    image_ids = -1 - options.label * MOST_IMAGES - options.first - np.arange(options.images)
    samples = options.samples_per_image + (np.arange(options.images) < options.one_more)
    items = sampling.items(image_ids, samples)
    conditioned = sample.of_embeddings(options, items, released.arrays, options.label)
    unconditional = sample.away_from(options, released["embeddings"], args.base_model, model.device)
    ids, variants = np.array(items, np.int64).T
    labels = np.full(len(items), options.label, np.int64)
    made = {"step": "sample_release", "source": options.source, "options": asdict(options)}
    made |= {"inputs": {"release": released.attributes["checksum"]}, "guarantee": released.attributes["guarantee"]}
    made |= {**naming.carried(released.attributes), "versions": provenance.versions("torch", "diffusers")}
    batches = sample.draw(model, options, items, conditioned, unconditional)
    with shards.writing(args.out, "images", len(items), made) as append:
        first = 0
        for images in steps.progress(batches, -(-len(items) // options.batch_size), "sampling"):
            rows = slice(first, first + len(images))
            append(
                {
                    "images": images,
                    "labels": labels[rows],
                    "image_ids": ids[rows],
                    "variants": variants[rows].astype(np.int32),
                }
            )
            first = rows.stop


if __name__ == "__main__":
    steps.run(main)
