"""Sample new images for each real image of a shard, conditioned on prompts or on learned embeddings."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realgap import devices
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.diffusion import conditioning, sampling
from realgap.run import steps
from realgap.store import provenance, shards

Items = list[tuple[int, int]]


@dataclass(frozen=True)
class Options:
    source: str
    conditioning: str  # "prompts", "inversion" or "class_inversion"
    class_name: str
    images: int | None  # of the first so many real images of the shard, null for all
    samples_per_image: int
    scheduler: str
    num_inference_steps: int
    guidance_scale: float
    unconditional: str
    embedding_noise: float
    interpolation_strength: float
    strength: float | None  # null: from noise alone; else from each real image's latents, noised in part
    resolution: int
    image_size: int
    batch_size: int
    seed: int
    device: str
    precision: str


def main() -> None:
    args, options = steps.parse(
        __doc__,
        Options,
        images={},
        base_model=steps.BASE_MODEL,
        templates={},
        embeddings={"nargs": "*", "default": []},
        moments={"nargs": "*", "default": []},
        out={},
    )
    device = devices.pick(options.device)
    dtype = devices.pick_dtype(options.precision, device)
    real = shards.read(args.images, "images")
    vae, unet = (load(args.base_model, device, dtype) for load in (autoencoder.load, denoiser.load))
    learned = [shards.read(path, "embeddings") for path in args.embeddings]
    # an image in whose inversion NaN or infinity arose has no embedding
    failed = [image_id for one in learned for image_id in one.attributes["failed"]]
    chosen = np.flatnonzero(~np.isin(real["image_ids"][: options.images], failed))
    image_ids, labels = real["image_ids"][chosen], real["labels"][chosen]
    items = sampling.items(image_ids, options.samples_per_image)
    conditioned, unconditional = _conditioning(args, options, items, learned, int(real["labels"][0]), device)
    shape = denoiser.latent_shape(args.base_model, vae, unet, options.resolution)
    start = {}
    if options.strength is not None:
        moments = shards.read(args.moments[0], "moments")
        start = {"start": _start(moments, items, vae.config.scaling_factor, options.seed), "strength": options.strength}
    batches = sampling.sample(
        sampling.Rows(len(items), lambda rows: sampling.initial_latents(items[rows], shape, options.seed)),
        conditioned,
        unconditional,
        denoiser.predictor(unet),
        schedules.sampler(args.base_model, options.scheduler),
        lambda latents: autoencoder.decode(vae, latents, options.image_size),
        num_inference_steps=options.num_inference_steps,
        guidance_scale=options.guidance_scale,
        batch_size=options.batch_size,
        device=device,
        **start,
    )
    arrays = {
        "labels": np.repeat(labels, options.samples_per_image),
        "image_ids": np.array([image_id for image_id, _ in items], np.int64),
        "variants": np.array([variant for _, variant in items], np.int32),
    }
    inputs = {"images": real.attributes["checksum"]}
    if learned:
        inputs["embeddings"] = shards.joint(one.attributes["checksum"] for one in learned)
    if start:
        inputs["moments"] = moments.attributes["checksum"]
    made = {"step": "sample", "source": options.source, "options": asdict(options), "inputs": inputs}
    made["versions"] = provenance.versions("torch", "diffusers")
    with shards.writing(args.out, "images", len(items), made) as append:
        first = 0
        for images in steps.progress(batches, -(-len(items) // options.batch_size), "sampling"):
            rows = slice(first, first + len(images))
            append({"images": images, **{name: array[rows] for name, array in arrays.items()}})
            first = rows.stop


def _conditioning(
    args: Any, options: Options, items: Items, learned: list[shards.Shard], label: int, device: Any
) -> tuple[sampling.Rows, np.ndarray]:
    """The conditioning of each item, and what guidance leads away from, (tokens, width)."""
    if options.conditioning == "prompts":
        prompts = prompting.of_class(args.templates, options.class_name)
        embedded = prompting.embed(args.base_model, [*prompts, ""], device).cpu().numpy()
        chosen = conditioning.choose_prompts(items, len(prompts), options.seed)
        return sampling.Rows(len(items), lambda rows: embedded[chosen[rows]]), embedded[-1]
    embeddings, image_ids, labels = (
        np.concatenate([one[name] for one in learned]) for name in ("embeddings", "image_ids", "labels")
    )
    own, ids = embeddings[labels == label], image_ids[labels == label]
    if options.unconditional == "prompt":
        unconditional = prompting.embed(args.base_model, [""], device)[0].cpu().numpy()
    else:
        unconditional = embeddings.mean(axis=0)

    def make(rows: slice) -> np.ndarray:
        if options.conditioning == "class_inversion":
            return conditioning.around(items[rows], own[0], options.embedding_noise, options.seed)
        return conditioning.mix(
            items[rows],
            own,
            ids,
            embedding_noise=options.embedding_noise,
            interpolation_strength=options.interpolation_strength,
            seed=options.seed,
        )

    return sampling.Rows(len(items), make), unconditional


def _start(moments: shards.Shard, items: Items, scale: float, seed: int) -> sampling.Rows:
    """The latents of each item's real image."""
    posterior = moments["mean"], moments["std"], moments["image_ids"]
    return sampling.Rows(len(items), lambda rows: sampling.noised_start(items[rows], *posterior, scale, seed))


if __name__ == "__main__":
    steps.run(main)
