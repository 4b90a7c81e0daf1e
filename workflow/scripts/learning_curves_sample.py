"""Sample new images of a draw of real ones: partners and means come from the draw, never from images outside it."""

from dataclasses import dataclass

import numpy as np

from realgap.data import training_sets
from realgap.diffusion import sampling
from realgap.run import steps
from realgap.store import naming, provenance, shards
from scripts import sampling_sample as sample


@dataclass(frozen=True, kw_only=True)
class Options(sample.Options):
    per_class: int  # real images of each class
    draw: int


def main() -> None:
    several = {"nargs": "+"}
    args, options = steps.parse(
        __doc__,
        Options,
        images=several,
        base_model=steps.BASE_MODEL,
        embeddings=several,
        moments={"nargs": "*", "default": []},
        out={},
    )
    real, embedded = shards.read_all(args.images, "images"), shards.read_all(args.embeddings, "embeddings")
    encoded = shards.read_all(args.moments, "moments")
    drawn = training_sets.drawn(real, options.per_class, options.draw, options.seed)
    learned = _rows(embedded, drawn)
    moments = _rows(encoded, drawn) if encoded else None
    model = sample.load(args.base_model, options)
    made = {"step": "sample_draw", "source": options.source, "options": sample.said(options)}
    made |= naming.carried(*(one.attributes for one in [*real, *embedded, *encoded]))
    made["versions"] = provenance.versions("torch", "diffusers")
    classes = np.unique(learned["labels"])
    # an image in whose inversion NaN or infinity arose has no embedding
    with shards.writing(args.out, "images", len(learned["labels"]) * options.samples_per_image, made) as append:
        for label in steps.progress(classes, len(classes), "sampling classes"):
            of_class = learned["labels"] == label
            items = sampling.items(learned["image_ids"][of_class], options.samples_per_image)
            mean_of = learned["embeddings"][of_class if options.unconditional == "class" else slice(None)]
            conditioned = sample.of_embeddings(options, items, learned, int(label))
            unconditional = sample.away_from(options, mean_of, args.base_model, model.device)
            images = np.concatenate(list(sample.draw(model, options, items, conditioned, unconditional, moments)))
            image_ids, variants = np.array(items, np.int64).T
            labels = np.full(len(items), label, np.int64)
            append({"images": images, "labels": labels, "image_ids": image_ids, "variants": variants.astype(np.int32)})


def _rows(parts: list[shards.Shard], image_ids: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of some real images, of all shards."""
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0].arrays}
    chosen = np.isin(arrays["image_ids"], image_ids)
    return {name: values[chosen] for name, values in arrays.items()}


if __name__ == "__main__":
    steps.run(main)
