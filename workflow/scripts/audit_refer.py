"""Run the whole pipeline on half of the real images, for attacks to learn from, and predict all of them."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from realgap import devices
from realgap.analyses.audit import measures
from realgap.classifier import training
from realgap.data import training_sets
from realgap.diffusion import sampling
from realgap.privacy import accounting
from realgap.run import steps
from realgap.store import naming, provenance, shards
from realgap.streams import stream
from scripts import classifier_train as train
from scripts import privacy_release as release
from scripts import sampling_sample as sample
from scripts.privacy_sample import MOST_IMAGES


@dataclass(frozen=True)
class Options:
    source: str
    run: int
    seed: int  # of the study
    classes: dict[str, int]  # name -> label
    training: dict[str, Any]  # of scripts.classifier_train
    sampling: dict[str, Any] | None = None  # of scripts.sampling_sample; null for real images
    mechanism: dict[str, Any] | None = None  # of scripts.privacy_release; null where nothing is released


def main() -> None:
    several = {"nargs": "*", "default": []}
    files = {
        "real": {"nargs": "+"},
        "test": {},
        "embeddings": several,
        "basis": several,
        "base_model": steps.BASE_MODEL,
        "weights": train.WEIGHTS,
    }
    args, options = steps.parse(__doc__, Options, **files, templates={}, out={})
    parts, test = shards.read_all(args.real, "images"), shards.read(args.test, "images")
    images, labels, ids = (np.concatenate([one[name] for one in parts]) for name in ("images", "labels", "image_ids"))
    member = measures.half(labels, ids, options.run, options.seed)
    settings = train.Options(**options.training)
    if options.sampling is None:
        data = training_sets.of_images(parts, ids[member], options.source)
    else:
        data = _sampled(args, options, ids[member], naming.carried(*(one.attributes for one in parts)))
    model, _ = train.fit(data, settings, weights=args.weights)
    device = devices.pick(settings)
    dtype = devices.pick_dtype(settings.precision, device)
    seen = np.concatenate([images, test["images"]])
    classes = np.unique(labels).tolist()
    arrays = {
        "logits": training.predict(model, seen, batch_size=256, device=device, dtype=dtype),
        "labels": naming.positions(np.concatenate([labels, test["labels"]]), classes),
        "image_ids": np.concatenate([ids, test["image_ids"]]),
    }
    made = {"step": "refer", "training_set": options.source, "run": options.run, "seed": settings.seed}
    made |= {"parts": data.attributes["parts"], "classes": classes, "members": ids[member].tolist()}
    made |= {"tested": len(test), "options": dataclasses.asdict(options)}
    made |= naming.carried(*(one.attributes for one in [*parts, test]))
    shards.write(args.out, "predictions", arrays, {**made, "versions": provenance.versions("torch")})


def _sampled(args: Any, options: Options, ids: np.ndarray, named: dict[str, Any]) -> shards.Shard:
    """Samples of the source as they would be if there were no other real images, as a training set."""
    settings = sample.Options(**options.sampling)
    model = sample.load(args.base_model, settings)
    of_half = _learned if options.mechanism is None else _released
    drawn: dict[str, list[np.ndarray]] = {"images": [], "labels": [], "image_ids": [], "variants": []}
    for label, items, learned in steps.progress(
        of_half(args, options, settings, ids), len(options.classes), "sampling"
    ):
        conditioned = sample.of_embeddings(settings, items, learned, label)
        own = learned["labels"] == label
        mean_of = learned["embeddings"][own if settings.unconditional == "class" else slice(None)]
        unconditional = sample.away_from(settings, mean_of, args.base_model, model.device)
        drawn["images"] += sample.draw(model, settings, items, conditioned, unconditional)
        image_ids, variants = np.array(items, np.int64).T
        drawn["image_ids"].append(image_ids)
        drawn["variants"].append(variants.astype(np.int32))
        drawn["labels"].append(np.full(len(items), label, np.int64))
    arrays = {name: np.concatenate(values) for name, values in drawn.items()}
    about = {"training_set": options.source, "parts": [[options.source, len(arrays["labels"])]], **named}
    return shards.Shard(arrays, about)


Of = Iterator[tuple[int, sample.Items, dict[str, np.ndarray]]]  # label, items and embeddings of a class


def _learned(args: Any, options: Options, settings: sample.Options, ids: np.ndarray) -> Of:
    """Embeddings of the half's images; partners and means are among them."""
    opened = shards.read_all(args.embeddings, "embeddings")
    arrays = {name: np.concatenate([one[name] for one in opened]) for name in ("embeddings", "image_ids", "labels")}
    chosen = np.isin(arrays["image_ids"], ids)
    learned = {name: values[chosen] for name, values in arrays.items()}
    for label in options.classes.values():
        own = learned["image_ids"][learned["labels"] == label]
        yield label, sampling.items(own, settings.samples_per_image), learned


def _released(args: Any, options: Options, settings: sample.Options, ids: np.ndarray) -> Of:
    """A release of the half, with noise of its own: from the study's seed, because no release of an audit may leave."""
    mechanism = release.Options(**{**options.mechanism, "count": options.mechanism["count"] // 2})
    inputs = release.gathered(args, mechanism, devices.pick(settings))
    rows = {name: values[np.isin(inputs.image_ids[name], ids)] for name, values in inputs.differences.items()}
    inputs = inputs._replace(differences=rows)
    multiplier = 0.0 if mechanism.epsilon is None else accounting.multiplier(mechanism.epsilon, mechanism.delta)

    def normal(name: str, size: int) -> np.ndarray:
        return stream(options.seed, "audited release", options.source, options.run, name).standard_normal(size)

    for name, label in options.classes.items():
        embedding, spread = release.released(inputs, name, mechanism, multiplier, normal)
        learned = {"embeddings": embedding[None], "spread": spread[None], "labels": np.array([label])}
        # below zero: images of their own, made of none of the real ones
        own = -1 - label * MOST_IMAGES - np.arange(mechanism.count)
        yield label, sampling.items(own, settings.samples_per_image), learned


if __name__ == "__main__":
    steps.run(main)
