"""Sample new images for each real image of a shard, conditioned on prompts or on learned embeddings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from realgap import devices
from realgap.base_model import autoencoder, denoiser, prompting, samplers, schedules
from realgap.diffusion import conditioning, sampling
from realgap.run import steps
from realgap.store import naming, provenance, shards

Items = list[tuple[int, int]]


@dataclass(frozen=True)
class Options(devices.Compute):
    source: str
    conditioning: str  # "prompts", "inversion" or "class_inversion"
    class_name: str
    images: int | None  # of the first so many real images of the shard, null for all
    samples_per_image: int
    scheduler: str
    num_inference_steps: int
    guidance_scale: float
    guidance_interval: list[float]  # the shares of the steps between which guidance works
    unconditional: str
    embedding_noise: float
    interpolation_strength: float
    strength: float | None  # null: from noise alone; else from each real image's latents, noised in part
    inversion_steps: int | None  # null: noise is drawn; else what each real image's latents are inverted into
    fresh_noise: float
    resolution: int
    image_size: int
    batch_size: int
    seed: int
    one_more: int = 0  # of the first so many real images of the shard another sample


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
    real = shards.read(args.images, "images")
    model = load(args.base_model, options)
    learned = shards.read_all(args.embeddings, "embeddings")
    # an image in whose inversion NaN or infinity arose has no embedding
    failed = [image_id for one in learned for image_id in one.attributes["failed"]]
    chosen = np.flatnonzero(~np.isin(real["image_ids"][: options.images], failed))
    image_ids, labels = real["image_ids"][chosen], real["labels"][chosen]
    samples = options.samples_per_image + (chosen < options.one_more)
    items = sampling.items(image_ids, samples)
    moments = shards.read(args.moments[0], "moments") if args.moments else None
    conditioned, unconditional = _conditioning(args, options, items, learned, int(real["labels"][0]), model.device)
    arrays = {
        "labels": np.repeat(labels, samples),
        "image_ids": np.array([image_id for image_id, _ in items], np.int64),
        "variants": np.array([variant for _, variant in items], np.int32),
    }
    inputs = {"images": real.attributes["checksum"]}
    if learned:
        inputs["embeddings"] = shards.joint(one.attributes["checksum"] for one in learned)
    origins = [real.attributes, *(one.attributes for one in learned)]
    if moments is not None:
        inputs["moments"] = moments.attributes["checksum"]
        origins.append(moments.attributes)
    made = {"step": "sample", "source": options.source, "options": said(options), "inputs": inputs}
    made |= naming.carried(*origins)
    made["versions"] = provenance.versions("torch", "diffusers")
    noise = None
    if options.inversion_steps is not None:
        noise = _inverted(args.base_model, options, model, items, conditioned, moments)
    batches = draw(model, options, items, conditioned, unconditional, moments, noise)
    with shards.writing(args.out, "images", len(items), made) as append:
        first = 0
        for images in steps.progress(batches, -(-len(items) // options.batch_size), "sampling"):
            rows = slice(first, first + len(images))
            append({"images": images, **{name: array[rows] for name, array in arrays.items()}})
            first = rows.stop


def said(options: Options) -> dict[str, Any]:
    """The options as the file says them: of `one_more` only where it is so."""
    return {name: value for name, value in asdict(options).items() if name != "one_more" or value}


class Model(NamedTuple):
    """What samples are drawn with."""

    vae: Any
    unet: Any
    latent_shape: tuple[int, ...]
    scheduler: Any
    device: Any


def load(base_model: str, options: Options) -> Model:
    device = devices.pick(options)
    dtype = devices.pick_dtype(options.precision, device)
    vae, unet = (part(base_model, device, dtype) for part in (autoencoder.load, denoiser.load))
    devices.arrange(unet, options, device)
    devices.arrange(vae, options, device, called=["decoder"])
    shape = denoiser.latent_shape(base_model, vae, unet, options.resolution)
    return Model(vae, unet, shape, schedules.sampler(base_model, options.scheduler), device)


def draw(
    model: Model,
    options: Options,
    items: Items,
    conditioned: sampling.Rows,
    unconditional: np.ndarray,
    moments: Mapping[str, np.ndarray] | None = None,
    noise: sampling.Rows | None = None,
) -> Iterator[np.ndarray]:
    """Batches of images uint8 (n, h, w, 3) of the items, in order; noise: what they begin at, drawn where None.

    moments: of the real images that they begin at where options.strength is not None.
    """
    more = {}
    if options.strength is not None:
        more = {"start": _start(moments, items, model.vae.config.scaling_factor, options.seed)}
        more["strength"] = options.strength
    if samplers.SAMPLERS[options.scheduler].draws:
        more["generators"] = lambda rows: sampling.generators(items[rows], options.seed)
    drawn = sampling.Rows(
        len(items), lambda rows: sampling.initial_latents(items[rows], model.latent_shape, options.seed)
    )
    return sampling.sample(
        drawn if noise is None else noise,
        conditioned,
        unconditional,
        denoiser.predictor(model.unet),
        model.scheduler,
        autoencoder.decoder(model.vae, options.image_size),
        num_inference_steps=options.num_inference_steps,
        guidance_scale=options.guidance_scale,
        guidance_interval=options.guidance_interval,
        batch_size=options.batch_size,
        device=model.device,
        **more,
    )


def _conditioning(
    args: Any, options: Options, items: Items, learned: list[shards.Shard], label: int, device: Any
) -> tuple[sampling.Rows, np.ndarray]:
    """The conditioning of each item, and what guidance leads away from, (tokens, width)."""
    if options.conditioning == "prompts":
        prompts = prompting.of_class(args.templates, options.class_name)
        # what an image was inverted with leads back to it
        chosen = prompts if options.inversion_steps is None else prompts[:1]
        return of_prompts(args.base_model, chosen, items, options, device)
    names = ("embeddings", "image_ids", "labels")
    arrays = {name: np.concatenate([one[name] for one in learned]) for name in names}
    return of_embeddings(options, items, arrays, label), away_from(
        options, arrays["embeddings"], args.base_model, device
    )


def _inverted(
    base_model: str,
    options: Options,
    model: Model,
    items: Items,
    conditioned: sampling.Rows,
    moments: Mapping[str, np.ndarray],
) -> sampling.Rows:
    """The noise of each item: its real image's, inverted with the one prompt of all items, and a share drawn anew."""
    own = np.isin(moments["image_ids"], [image_id for image_id, _ in items])
    ids, latents = moments["image_ids"][own], moments["mean"][own] * model.vae.config.scaling_factor
    noise = sampling.inverted(
        latents.astype(np.float32),
        conditioned[:1][0],
        denoiser.predictor(model.unet),
        schedules.inverse(base_model),
        num_inference_steps=options.inversion_steps,
        batch_size=options.batch_size,
        device=model.device,
    )
    return sampling.Rows(
        len(items), lambda rows: sampling.renoised(items[rows], noise, ids, options.fresh_noise, options.seed)
    )


def of_prompts(
    base_model: str, prompts: Sequence[str], items: Items, options: Options, device: Any
) -> tuple[sampling.Rows, np.ndarray]:
    """The conditioning of items, each on one of the prompts, and the empty prompt."""
    embedded = prompting.embed(base_model, [*prompts, ""], device).cpu().numpy()
    chosen = conditioning.choose_prompts(items, len(prompts), options.seed)
    return sampling.Rows(len(items), lambda rows: embedded[chosen[rows]]), embedded[-1]


def of_embeddings(options: Options, items: Items, learned: Mapping[str, np.ndarray], label: int) -> sampling.Rows:
    """The conditioning of items of a class, from embeddings, image_ids and labels of its real images (and others).

    Of a release: from one embedding of the class, and its spread instead of image_ids.
    """
    own = learned["labels"] == label
    embeddings = learned["embeddings"][own]

    def make(rows: slice) -> np.ndarray:
        if options.conditioning == "class_inversion":
            spread = learned["spread"][own][0] if "spread" in learned else None
            return conditioning.around(items[rows], embeddings[0], options.embedding_noise, options.seed, spread)
        return conditioning.mix(
            items[rows],
            embeddings,
            learned["image_ids"][own],
            embedding_noise=options.embedding_noise,
            interpolation_strength=options.interpolation_strength,
            seed=options.seed,
        )

    return sampling.Rows(len(items), make)


def away_from(options: Options, embeddings: np.ndarray, base_model: str, device: Any) -> np.ndarray:
    """What guidance leads away from: the empty prompt, or the mean of embeddings (n, tokens, width)."""
    if options.unconditional == "prompt":
        return prompting.embed(base_model, [""], device)[0].cpu().numpy()
    return embeddings.mean(axis=0)


def _start(moments: Mapping[str, np.ndarray], items: Items, scale: float, seed: int) -> sampling.Rows:
    """The latents of each item's real image."""
    posterior = moments["mean"], moments["std"], moments["image_ids"]
    return sampling.Rows(len(items), lambda rows: sampling.noised_start(items[rows], *posterior, scale, seed))


if __name__ == "__main__":
    steps.run(main)
