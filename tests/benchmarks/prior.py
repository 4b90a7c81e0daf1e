"""What a base model makes of class prompts and of inverted photographs: `python -m tests.benchmarks.prior`.

The measures of workflow/docs/photographs-prior.md on CIFAR-10's training images, with the settings of
`resources/studies/cifar10-mini.yaml` on the day they were written down. None of the test images is read.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from realgap import devices
from realgap.analyses.fidelity import distances
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.data import catalog
from realgap.diffusion import conditioning, inversion, sampling
from realgap.pretraining import captions
from realgap.report import text_tables
from realgap.store import shards
from tests.benchmarks import judge
from tests.benchmarks.arms import spread

CPU = torch.device("cpu")
SIZE = 32
CLASSES = catalog.CIFAR10
TEMPLATES = "resources/prompts/cifar10.txt"
SAMPLING = {"num_inference_steps": 12, "batch_size": 100, "device": CPU}
INVERSION = inversion.Settings(
    steps_per_image=400,
    lr=0.05,
    lr_schedule="cosine",
    weight_decay=0.01,
    timesteps="stratified",
    batch_size=50,
    early_stopping_patience=None,
    early_stopping_tolerance=0.0,
    early_stopping_pairs=0,
)
NOISE, MIXING, GUIDANCE_OF_INVERTED = 0.1, 0.1, 1.25
NEIGHBOURS = 5
MOST = 4  # kinds of photographs that are listed for a word

Images = dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resources/mini-sd-natural", help="default: %(default)s")
    parser.add_argument("--start", default="looks", help="of inversion: looks or prompt (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400, help="of inversion, for an image (default: %(default)s)")
    parser.add_argument("--prompted", type=int, default=100, help="images a class (default: %(default)s)")
    parser.add_argument("--inverted", type=int, default=10, help="real images a class, 0: none (default: %(default)s)")
    parser.add_argument("--guidance", type=float, default=2.0, help="of prompts (default: %(default)s)")
    parser.add_argument("--root", type=Path, default=Path("resources/cifar10"), help="default: %(default)s")
    parser.add_argument("--judge", type=Path, default=Path("results/priors/judge.pt"), help="default: %(default)s")
    parser.add_argument("--photographs", type=Path, help="a shard of photographs: only what stands behind each word")
    parser.add_argument("--captions", default="resources/captions/tiny-imagenet-near.tsv", help="of the photographs")
    args = parser.parse_args()
    network = judge.load(args.judge)
    if args.photographs:
        print(behind_words(network, args.photographs, args.captions))
        return
    held_out, model = judge.photographs(args.root)[1], load(args.model)
    rows = of_prompts(model, network, held_out, args.prompted, args.guidance)
    if args.inverted:
        rows += of_inverted(model, network, first(held_out, args.inverted), args.start, args.steps)
    print(text_tables.markdown(("measure", args.model), rows))


def load(folder: str) -> SimpleNamespace:
    """A base model's parts, in bf16 where the processor multiplies it."""
    dtype = devices.pick_dtype("auto", CPU)
    vae, unet = (part(folder, CPU, dtype) for part in (autoencoder.load, denoiser.load))
    return SimpleNamespace(
        folder=folder,
        vae=vae,
        shape=denoiser.latent_shape(folder, vae, unet, SIZE),
        predict=denoiser.predictor(unet),
        scheduler=schedules.sampler(folder, "dpmsolver++"),
        decode=lambda latents: autoencoder.decode(vae, latents, SIZE),
    )


def behind_words(network: torch.nn.Module, photographs: Path, table: str) -> str:
    """Of each folder whose kind is one of CIFAR-10's classes: how many photographs, and what they are named.

    And of each of these classes the folders, whatever their kind, that are named so most often.
    """
    shard, entries = shards.read(photographs, "images"), captions.read_table(table)
    folders = [entries[folder] for folder in shard.attributes["classes"]]
    counted = [
        np.bincount(named(network, shard["images"][shard["labels"] == label]), minlength=10)
        for label in range(len(folders))
    ]
    shares = [count / count.sum() for count in counted]
    rows = [
        (
            one.kind,
            one.name,
            int(count.sum()),
            f"{share[CLASSES.index(one.kind)]:.2f}",
            ", ".join(f"{CLASSES[i]} {share[i]:.2f}" for i in share.argsort()[::-1][:3]),
        )
        for one, count, share in zip(folders, counted, shares, strict=True)
        if one.kind in CLASSES
    ]
    nearest = []
    for place, word in enumerate(CLASSES):
        own = [share[place] for share, one in zip(shares, folders, strict=True) if one.kind == word]
        best = sorted(zip(shares, folders, strict=True), key=lambda pair: -pair[0][place])[:MOST]
        named_so = ", ".join(f"{one.name} ({one.kind}) {share[place]:.2f}" for share, one in best)
        nearest.append((word, float(np.mean(own)), float(max(own)), named_so))
    means = [f"{np.mean([row[column] for row in nearest]):.2f}" for column in (1, 2)]
    of_words = [(word, f"{mean:.2f}", f"{most:.2f}", named_so) for word, mean, most, named_so in nearest]
    return "\n\n".join(
        [
            text_tables.markdown(("word", "photographs", "n", "named as the word", "named most"), sorted(rows)),
            text_tables.markdown(
                ("word", "its photographs", "the best class of them", "of all kinds, named so most often"),
                [*of_words, ("mean", *means, "")],
            ),
        ]
    )


def of_prompts(
    model: SimpleNamespace, network: torch.nn.Module, held_out: Images, count: int, guidance: float
) -> list[tuple[str, str]]:
    made = prompted(model, count, guidance)
    right = named(network, made["images"]) == made["labels"]
    real, others = first(held_out, count), first({name: array[::-1] for name, array in held_out.items()}, count)
    seen = [judge.seen(network, np.ascontiguousarray(one["images"])) for one in (real, made, others)]
    covered = [distances.coverage(seen[0], one, NEIGHBOURS) for one in seen[1:]]
    frechet = [distances.frechet_distance(*(distances.Moments.of(x) for x in (seen[0], one))) for one in seen[1:]]
    each = ", ".join(f"{name} {right[made['labels'] == i].mean():.2f}" for i, name in enumerate(CLASSES))
    return [
        (f"prompt images named as their class, n = {len(right):,}, guidance {guidance:g}", share(right)),
        ("of each class", each),
        ("coverage of real images by them (by other real ones)", _beside(covered, "coverage")),
        ("precision (of other real ones)", _beside(covered, "precision")),
        ("Frechet distance to real images (of other real ones)", f"{frechet[0]:.1f} ({frechet[1]:.1f})"),
    ]


def prompted(model: SimpleNamespace, count: int, guidance: float) -> Images:
    """`count` images of each class from its prompts."""
    images = []
    for label, name in enumerate(CLASSES):
        items = [(label * count + i, 0) for i in range(count)]
        prompts = prompting.of_class(TEMPLATES, name)
        embedded = prompting.embed(model.folder, [*prompts, ""], CPU).numpy()
        chosen = embedded[conditioning.choose_prompts(items, len(prompts), seed=0)]
        images += _sampled(model, items, chosen, embedded[-1], guidance)
    return {"images": np.concatenate(images), "labels": np.repeat(np.arange(10), count)}


def of_inverted(
    model: SimpleNamespace, network: torch.nn.Module, real: Images, start: str, steps_per_image: int
) -> list[tuple[str, str]]:
    """Three images from the embedding of each real one, with noise and a share of a partner of its class."""
    mean, std = autoencoder.encode(model.vae, real["images"], SIZE)
    ids = np.arange(len(real["labels"]))
    settings = replace(INVERSION, steps_per_image=steps_per_image)
    state = inversion.begin(_begin(model, real, start), steps_per_image)
    alphas_cumprod, kind = schedules.noise(model.folder)
    scale = autoencoder.scaling_factor(model.folder)
    about = {"prediction_type": kind, "scaling_factor": scale, "seed": 0, "device": CPU}
    run = inversion.invert(state, mean, std, ids, model.predict, alphas_cumprod, settings, **about)
    for _ in run:
        pass
    made, sources = _around(model, real, state.result(), ids)
    right, labels = named(network, made), real["labels"]
    back = model.decode(torch.from_numpy(mean) * scale)
    return [
        ("VAE, dB", f"{psnr(back, real['images']).mean():.1f}"),
        (f"inverted images to their real ones, dB, n = {len(right):,}", _spread(psnr(made, real["images"][sources]))),
        ("inverted images named as their class", share(right == labels[sources])),
        ("their real images", share(named(network, real["images"]) == labels)),
        ("last loss of inversion", f"{state.losses[:, -1].mean():.3f}"),
    ]


def _begin(model: SimpleNamespace, real: Images, start: str) -> np.ndarray:
    """Embeddings of the first prompt of each class, or of what tells each image's looks."""
    names = [CLASSES[label] for label in real["labels"]]
    if start == "looks":
        pairs = zip(real["images"], names, strict=True)
        texts = [captions.looks(image[None], name)[0] for image, name in pairs]
    else:
        texts = [prompting.of_class(TEMPLATES, name)[0] for name in names]
    return prompting.embed(model.folder, texts, CPU).numpy()


def _around(
    model: SimpleNamespace, real: Images, embeddings: np.ndarray, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    images, sources = [], []
    for label in range(10):
        rows = np.flatnonzero(real["labels"] == label)
        items = sampling.items(ids[rows], 3)
        mixing = {"embedding_noise": NOISE, "interpolation_strength": MIXING, "seed": 0}
        own = conditioning.mix(items, embeddings[rows], ids[rows], **mixing)
        images += _sampled(model, items, own, embeddings[rows].mean(axis=0), GUIDANCE_OF_INVERTED)
        sources.append(np.repeat(rows, 3))
    return np.concatenate(images), np.concatenate(sources)


def _sampled(
    model: SimpleNamespace, items: list[tuple[int, int]], own: np.ndarray, away_from: np.ndarray, guidance: float
) -> list[np.ndarray]:
    noise = sampling.initial_latents(items, model.shape, seed=0)
    given = (noise, own, away_from, model.predict, model.scheduler, model.decode)
    return list(sampling.sample(*given, guidance_scale=guidance, **SAMPLING))


def first(images: Images, count: int) -> Images:
    """The first so many images of each class, class after class."""
    rows = np.concatenate([np.flatnonzero(images["labels"] == label)[:count] for label in range(10)])
    return {name: array[rows] for name, array in images.items()}


def named(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    return judge.logits(network, images).argmax(axis=1)


def psnr(images: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Peak signal to noise of each image, dB."""
    errors = (images.astype(np.float32) - real) / 255
    return -10 * np.log10(np.square(errors).mean(axis=(1, 2, 3)) + 1e-9)


def share(right: np.ndarray) -> str:
    """A share with its 95 % interval over images (normal approximation)."""
    mean, half = right.mean(), 1.96 * right.std() / np.sqrt(len(right))
    return spread((mean, mean - half, mean + half), 3)


def _spread(values: np.ndarray) -> str:
    low, high = np.quantile(values, (0.1, 0.9))
    return f"{values.mean():.1f} (8 in 10: {low:.1f} to {high:.1f})"


def _beside(covered: list[distances.Coverage], name: str) -> str:
    generated, real = (getattr(one, name).mean() for one in covered)
    return f"{generated:.3f} ({real:.3f})"


if __name__ == "__main__":
    main()
