"""What a base model makes of class prompts and of inverted photographs: `python -m tests.benchmarks.prior`.

Four measures on CIFAR-10's training images, as workflow/docs/photographs-prior.md defines them, and two that say where
the first comes from: Frechet distance to real images, and the VAE's own PSNR. None of the test images is read.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from realgap import catalog, fidelity, markdown, models, sampling, shards, steps
from realgap.captions import read_table
from tests.benchmarks import judge, study
from tests.benchmarks.arms import spread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resources/mini-sd-natural", help="default: %(default)s")
    parser.add_argument("--start", default="looks", help="of inversion: looks or prompt (default: %(default)s)")
    parser.add_argument("--prompted", type=int, default=100, help="images a class (default: %(default)s)")
    parser.add_argument("--inverted", type=int, default=10, help="real images a class (default: %(default)s)")
    parser.add_argument("--guidance", type=float, help="of prompts; default: the study's")
    parser.add_argument("--root", type=Path, default=Path("resources/cifar10"), help="default: %(default)s")
    parser.add_argument("--judge", type=Path, default=Path("results/priors/judge.pt"), help="default: %(default)s")
    parser.add_argument("--photographs", type=Path, help="a shard of photographs: only what stands behind each word")
    parser.add_argument("--captions", default="resources/captions/tiny-imagenet-near.tsv", help="of the photographs")
    args = parser.parse_args()
    network = judge.load(args.judge)
    if args.photographs:
        print(behind_words(network, args.photographs, args.captions))
        return
    own = _study(args)
    print(markdown.table(("measure", args.model), [*of_prompts(own, network, args), *of_inverted(own, network, args)]))


def behind_words(network: torch.nn.Module, photographs: Path, table: str) -> str:
    """Of each folder whose kind is one of CIFAR-10's classes: how many photographs, and what they are named."""
    shard, entries = shards.read(photographs, "images"), read_table(table)
    rows = []
    for label, folder in enumerate(shard.attributes["classes"]):
        kind = entries[folder].kind
        if kind in catalog.CIFAR10:
            named = _named(network, shard["images"][shard["labels"] == label])
            others = np.bincount(named, minlength=10)
            most = " ".join(f"{catalog.CIFAR10[i]} {others[i] / len(named):.2f}" for i in others.argsort()[::-1][:3])
            share = (named == catalog.CIFAR10.index(kind)).mean()
            rows.append((kind, entries[folder].name, len(named), f"{share:.2f}", most))
    return markdown.table(("word", "photographs", "n", "named as the word", "named most"), sorted(rows))


def of_prompts(own: study.Study, network: torch.nn.Module, args: argparse.Namespace) -> list[tuple[str, str]]:
    settings = own.config["sampling"]["stable_diffusion"]
    scale = settings["guidance_scale"] if args.guidance is None else args.guidance
    shape = models.latent_shape(own.model, own.vae, own.unet, own.config["base_model"]["resolution"])
    images = []
    for number, name in enumerate(catalog.CIFAR10):
        items = [(number * args.prompted + i, 0) for i in range(args.prompted)]
        prompts = steps.prompts(settings["templates"], name)
        embedded = models.embed_prompts(own.model, [*prompts, ""], study.CPU).numpy()
        images += sampling.sample(
            sampling.initial_latents(items, shape, seed=0),
            embedded[sampling.choose_prompts(items, len(prompts), seed=0)],
            embedded[-1],
            models.denoiser(own.unet),
            models.scheduler(own.model, settings["scheduler"]),
            lambda latents: models.decode(own.vae, latents, 32),
            num_inference_steps=settings["num_inference_steps"],
            guidance_scale=scale,
            batch_size=100,
            device=study.CPU,
        )
    images = np.concatenate(images)
    right = _named(network, images).reshape(10, -1) == np.arange(10)[:, None]
    held_out = judge.photographs(args.root)[1]
    rows = _equal(held_out["labels"], min(args.prompted, 400))
    real, made = judge.seen(network, held_out["images"][rows]), judge.seen(network, images)
    others = judge.seen(network, held_out["images"][_equal(held_out["labels"], len(rows) // 10, last=True)])
    measured = fidelity.coverage(real, made, k=5)
    distances = [fidelity.frechet_distance(fidelity.Moments.of(real), fidelity.Moments.of(x)) for x in (made, others)]
    one_by_one = ", ".join(
        f"{name} {share:.2f}" for name, share in zip(catalog.CIFAR10, right.mean(axis=1), strict=True)
    )
    return [
        (f"prompt images named as their class, guidance {scale:g}, n {right.size:,}", _share(right.ravel())),
        ("of each class", one_by_one),
        ("real held-out images named as theirs", _share(_named(network, held_out["images"]) == held_out["labels"])),
        ("real images covered by prompt images", _share(measured.coverage)),
        ("prompt images among real ones (precision)", _share(measured.precision)),
        ("Frechet distance to real images (real to other real)", f"{distances[0]:.1f} ({distances[1]:.1f})"),
    ]


def of_inverted(own: study.Study, network: torch.nn.Module, args: argparse.Namespace) -> list[tuple[str, str]]:
    """What the study makes of held-out images, with its embedding noise and mixing, three for each."""
    settings, real = own.config["inversion"], own.images
    given = {key: settings[key] for key in ("timesteps", "lr", "lr_schedule", "visits")}
    state = own.invert(real, own.start(args.start, real), patience=None, **given)
    made = own.generate(state.result(), variants=3)
    back = own.reconstruct(own.moments(real)[0])
    right = _named(network, made["images"]) == made["labels"]
    return [
        ("VAE, dB", f"{_psnr(back, real['images']).mean():.1f}"),
        (
            f"inverted images to their real ones, dB, n {right.size:,}",
            _mean(_psnr(made["images"], real["images"][made["sources"]])),
        ),
        ("inverted images named as their class", _share(right)),
        ("their real images", _share(_named(network, real["images"]) == real["labels"])),
        ("last loss of inversion", f"{state.losses[:, -1].mean():.3f}"),
    ]


def _study(args: argparse.Namespace) -> study.Study:
    """The study of photographs with another base model, on images that the judge has not seen."""
    settings = study.of_model("cifar10-mini", args.model)
    held_out = judge.photographs(args.root)[1]
    rows = _equal(held_out["labels"], args.inverted)
    images = {
        **{name: array[rows] for name, array in held_out.items()},
        "image_ids": rows + len(judge.photographs(args.root)[0]["labels"]),
    }
    return study.Study(settings, images, None, images, study.SMALL)


def _equal(labels: np.ndarray, count: int, last: bool = False) -> np.ndarray:
    """Rows of the first (or last) so many images of each class, class after class."""
    each = [np.flatnonzero(labels == label) for label in range(10)]
    return np.concatenate([rows[-count:] if last else rows[:count] for rows in each])


def _named(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    return judge.logits(network, images).argmax(axis=1)


def _psnr(images: np.ndarray, real: np.ndarray) -> np.ndarray:
    errors = (images.astype(np.float32) - real) / 255
    return -10 * np.log10(np.square(errors).mean(axis=(1, 2, 3)) + 1e-9)


def _share(right: np.ndarray) -> str:
    """A share with its 95 % interval over images (normal approximation)."""
    mean, half = right.mean(), 1.96 * right.std() / np.sqrt(len(right))
    return spread((mean, mean - half, mean + half), 3)


def _mean(values: np.ndarray) -> str:
    low, high = np.quantile(values, (0.1, 0.9))
    return f"{values.mean():.1f} (8 in 10: {low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
