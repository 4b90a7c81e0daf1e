"""Sample new images for each real image of a shard: from its class's prompts, or from inverted embeddings."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realgap import devices
from realgap.diffusion import base_models, sampling
from realgap.run import steps
from realgap.store import provenance, shards


@dataclass(frozen=True)
class Options:
    source: str  # "stable_diffusion" or "diffusion_inversion"
    class_name: str
    images: int | None  # of the first so many real images of the shard, null for all
    variants: int
    scheduler: str
    num_inference_steps: int
    guidance_scale: float
    unconditional: str
    embedding_noise: float
    mixing_weight: float
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
        out={},
    )
    device = devices.pick(options.device)
    dtype = devices.pick_dtype(options.precision, device)
    real = shards.read(args.images, "images")
    vae, unet = (load(args.base_model, device, dtype) for load in (base_models.load_vae, base_models.load_unet))
    learned = [shards.read(path, "embeddings") for path in args.embeddings]
    # an image in whose inversion NaN or infinity arose has no embedding
    failed = [image_id for one in learned for image_id in one.attributes["failed"]]
    chosen = np.flatnonzero(~np.isin(real["image_ids"][: options.images], failed))
    image_ids, labels = real["image_ids"][chosen], real["labels"][chosen]
    items = sampling.items(image_ids, options.variants)
    if options.source == "stable_diffusion":
        conditioning, unconditional = _from_prompts(args, options, items, device)
    else:
        conditioning, mean = _from_embeddings(learned, options, items, int(real["labels"][0]))
        prompt = options.unconditional == "prompt"
        unconditional = base_models.embed_prompts(args.base_model, [""], device)[0].cpu().numpy() if prompt else mean
    shape = base_models.latent_shape(args.base_model, vae, unet, options.resolution)
    batches = sampling.sample(
        sampling.Rows(len(items), lambda rows: sampling.initial_latents(items[rows], shape, options.seed)),
        conditioning,
        unconditional,
        base_models.denoiser(unet),
        base_models.scheduler(args.base_model, options.scheduler),
        lambda latents: base_models.decode(vae, latents, options.image_size),
        num_inference_steps=options.num_inference_steps,
        guidance_scale=options.guidance_scale,
        batch_size=options.batch_size,
        device=device,
    )
    arrays = {
        "labels": np.repeat(labels, options.variants),
        "image_ids": np.array([image_id for image_id, _ in items], np.int64),
        "variants": np.array([variant for _, variant in items], np.int32),
    }
    inputs = {"images": real.attributes["checksum"]}
    if learned:
        inputs["embeddings"] = shards.joint(one.attributes["checksum"] for one in learned)
    made = {"step": "sample", "source": options.source, "options": asdict(options), "inputs": inputs}
    made["versions"] = provenance.versions("torch", "diffusers")
    with shards.writing(args.out, "images", len(items), made) as append:
        first = 0
        for images in steps.progress(batches, -(-len(items) // options.batch_size), "sampling"):
            rows = slice(first, first + len(images))
            append({"images": images, **{name: array[rows] for name, array in arrays.items()}})
            first = rows.stop


def _from_prompts(
    args: Any, options: Options, items: list[tuple[int, int]], device: Any
) -> tuple[sampling.Rows, np.ndarray]:
    prompts = steps.prompts(args.templates, options.class_name)
    embedded = base_models.embed_prompts(args.base_model, [*prompts, ""], device).cpu().numpy()
    chosen = sampling.choose_prompts(items, len(prompts), options.seed)
    return sampling.Rows(len(items), lambda rows: embedded[chosen[rows]]), embedded[-1]


def _from_embeddings(
    learned: list[shards.Shard], options: Options, items: list[tuple[int, int]], label: int
) -> tuple[sampling.Rows, np.ndarray]:
    """Conditioning from this class's embeddings, and the mean of all that were given."""
    embeddings, image_ids, labels = (
        np.concatenate([one[name] for one in learned]) for name in ("embeddings", "image_ids", "labels")
    )
    same_class = labels == label
    mixing = {"embedding_noise": options.embedding_noise, "mixing_weight": options.mixing_weight, "seed": options.seed}
    own, ids = embeddings[same_class], image_ids[same_class]
    conditioning = sampling.Rows(len(items), lambda rows: sampling.mix(items[rows], own, ids, **mixing))
    return conditioning, embeddings.mean(axis=0)


if __name__ == "__main__":
    steps.run(main)
