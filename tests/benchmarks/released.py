"""What stops a release of inverted digits: noise, projection, clipping, spread. `python -m tests.benchmarks.released`.

    envs/run snakemake --configfile resources/studies/digits-private.yaml
    envs/run python -m tests.benchmarks.released

Embeddings of the study, noise from a seed, samples, a classifier as the study trains it. It is evaluated on the
digits that were inverted and on no test image; nothing of it may leave. A row is the mean over draws of the noise.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from realgap import devices, streams
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.data import catalog
from realgap.diffusion import conditioning, sampling
from realgap.privacy import accounting, mechanism
from realgap.report import text_tables
from realgap.store import shards
from scripts import classifier_train, privacy_release
from tests.benchmarks.arms import spread
from tests.benchmarks.study import _config

CPU = torch.device("cpu")
CLASSES = catalog.DIGITS


class Arm(NamedTuple):
    """A release, and how samples are drawn around it."""

    epsilon: float | None
    directions: int | None = None  # of the public basis
    spread: str = "none"
    clip: float = 25.0
    embedding_noise: float = 0.1
    as_many: float = 1.0  # times the images: the noise of that many more


ARMS = (
    Arm(None),
    *(Arm(None, embedding_noise=noise) for noise in (0.3, 0.6)),
    *(Arm(None, 32, spread) for spread in ("released", "public")),
    Arm(10.0),
    Arm(10.0, embedding_noise=0.6),
    Arm(10.0, 32),
    *(Arm(10.0, 32, spread) for spread in ("released", "public")),
    Arm(10.0, 32, "public", embedding_noise=0.3),
    *(Arm(10.0, directions, "public") for directions in (16, 64)),
    Arm(10.0, 32, "public", clip=12.5),
    Arm(10.0, 32, "public", as_many=1.5),
    *(Arm(epsilon, 32, "public") for epsilon in (3.0, 1.0)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("results/digits-private"), help="default: %(default)s")
    parser.add_argument("--draws", type=int, default=3, help="of the noise (default: %(default)s)")
    parser.add_argument("--per-class", type=int, default=100, help="images sampled (default: %(default)s)")
    args = parser.parse_args()
    subject = Subject(args.study, args.per_class)
    rows = []
    for name, sets in (("prompts", subject.prompted), ("inverted, each by itself", subject.inverted)):
        rows.append((name, *["-"] * 5, *_said([subject.accuracy(sets(), seed) for seed in range(args.draws)])))
        print(*rows[-1], flush=True)
    for arm in ARMS:
        found = [subject.accuracy(subject.released(arm, draw), draw) for draw in range(args.draws)]
        how = (
            f"{100 * arm.as_many:g}",
            arm.directions or "none",
            f"{arm.clip:g}",
            arm.spread,
            f"{arm.embedding_noise:g}",
        )
        rows.append((_epsilon(arm), *how, *_said(found)))
        print(*rows[-1], flush=True)
    heads = (
        "release",
        "noise of so many a class",
        "directions",
        "clip",
        "spread",
        "noise of samples",
        "accuracy, %",
    )
    print(text_tables.markdown(heads, rows))


class Subject:
    """The study's real images, their embeddings, and what samples and classifiers are made with."""

    def __init__(self, study: Path, per_class: int) -> None:
        self.config, self.per_class = _config("digits-private"), per_class
        self.folder = self.config["base_model"]["path"]
        dtype = devices.pick_dtype("auto", CPU)
        self.vae, unet = (part(self.folder, CPU, dtype) for part in (autoencoder.load, denoiser.load))
        self.predict = denoiser.predictor(unet)
        self.shape = denoiser.latent_shape(self.folder, self.vae, unet, self.config["base_model"]["resolution"])
        self.starts = np.stack([self._prompts(name)[0] for name in CLASSES])[
            :, : self.config["inversion"]["num_tokens"]
        ]
        self.real = _joined(study, "real", "images", ("images", "labels"))
        self.learned = _joined(study, "embeddings", "embeddings", ("embeddings", "labels", "image_ids"))
        public = _joined(Path("resources/public"), "typeset-digits", "embeddings", ("embeddings", "labels"))
        self.public = self._differences(public["embeddings"], public["labels"])
        self.of_public = [CLASSES[label] for label in public["labels"]]

    def prompted(self) -> dict[str, np.ndarray]:
        """Samples of the class's prompts."""

        def make(label: int, items: list[tuple[int, int]]) -> np.ndarray:
            prompts = self._prompts(CLASSES[label], all_of_them=True)
            return prompts[conditioning.choose_prompts(items, len(prompts), 0)]

        return self._sampled(make, guidance=self.config["sources"]["stable_diffusion"]["guidance_scale"])

    def inverted(self) -> dict[str, np.ndarray]:
        """Samples around the embedding of each image, with noise and a partner, as the default source draws them."""
        own = self.config["sources"]["diffusion_inversion"]

        def make(label: int, items: list[tuple[int, int]]) -> np.ndarray:
            chosen = self.learned["labels"] == label
            ids = self.learned["image_ids"][chosen]
            mixing = {
                "embedding_noise": own["embedding_noise"],
                "interpolation_strength": own["interpolation_strength"],
            }
            each = [(ids[n % len(ids)], n // len(ids)) for n in range(len(items))]
            return conditioning.mix(each, self.learned["embeddings"][chosen], ids, **mixing, seed=0)

        return self._sampled(make, guidance=own["guidance_scale"])

    def released(self, arm: Arm, draw: int) -> dict[str, np.ndarray]:
        """Samples of a release with this draw of its noise."""
        delta = self.config["privacy"]["delta"]
        multiplier = 0.0 if arm.epsilon is None else accounting.multiplier(arm.epsilon, delta) / arm.as_many
        basis = None if arm.directions is None else mechanism.public_basis(self.public, arm.directions)

        def make(label: int, items: list[tuple[int, int]]) -> np.ndarray:
            own = self.learned["labels"] == label
            rows = self._differences(self.learned["embeddings"][own], self.learned["labels"][own])
            weight = privacy_release.weight_of(arm.spread)
            numbers = mechanism.numbers(rows.shape[1] if basis is None else len(basis), weight)
            normal = streams.stream(0, "ablation", draw, label).standard_normal(numbers)
            mean, deviations = mechanism.released(
                rows, normal, clip=arm.clip, multiplier=multiplier, count=len(rows), basis=basis, weight=weight,
                neighbours=self.config["privacy"]["neighbours"],
            )  # fmt: skip
            if arm.spread == "public":
                deviations = mechanism.public_spread(self.public, self.of_public, basis)
            embedding = self.starts[label] + mean.reshape(self.starts[label].shape)
            steps = None if deviations is None else (deviations[:, None] * basis).reshape(-1, *embedding.shape)
            return conditioning.around(items, embedding, arm.embedding_noise, draw, steps)

        return self._sampled(make, guidance=self.config["sources"]["epsilon_10"]["guidance_scale"])

    def accuracy(self, samples: dict[str, np.ndarray], seed: int) -> float:
        """Of a classifier that was trained on samples alone, on the digits that were inverted."""
        settings = {**self.config["classifier"], "real_share": 1.0, "seed": seed}
        known = classifier_train.Options.__dataclass_fields__
        options = classifier_train.Options(
            **{key: value for key, value in {**self.config["compute"], **settings}.items() if key in known}
        )
        data = shards.Shard(samples, {"parts": [("samples", len(samples["labels"]))]})
        model, _ = classifier_train.fit(data, replace(options, weights=None))
        predicted = classifier_train.training.predict(
            model, self.real["images"], batch_size=256, device=CPU, dtype=torch.float32
        )
        return float((predicted.argmax(axis=1) == self.real["labels"]).mean())

    def _sampled(self, make: Any, guidance: float) -> dict[str, np.ndarray]:
        """per_class images of each class; make(label, items): what they are conditioned on."""
        empty = prompting.embed(self.folder, [""], CPU)[0].numpy()
        images = []
        for label in range(len(CLASSES)):
            items = [(-1 - label * 10**6 - n, 0) for n in range(self.per_class)]
            images += sampling.sample(
                sampling.initial_latents(items, self.shape, 0),
                make(label, items).astype(np.float32),
                empty,
                self.predict,
                schedules.sampler(self.folder, self.config["sources"]["epsilon_10"].get("scheduler", "dpmsolver++")),
                lambda latents: autoencoder.decode(self.vae, latents, self.config["dataset"]["image_size"]),
                num_inference_steps=12,
                guidance_scale=guidance,
                batch_size=100,
                device=CPU,
            )
        labels = np.repeat(np.arange(len(CLASSES)), self.per_class)
        return {"images": np.concatenate(images), "labels": labels}

    def _prompts(self, name: str, all_of_them: bool = False) -> np.ndarray:
        """Embeddings of a class's prompts, or of the first, which inversion begins at."""
        prompts = prompting.of_class(self.config["prompts"]["templates"], name)
        return prompting.embed(self.folder, prompts if all_of_them else prompts[:1], CPU).numpy()

    def _differences(self, embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return (embeddings.astype(np.float64) - self.starts[labels]).reshape(len(labels), -1)


def _joined(study: Path, part: str, kind: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    opened = [shards.read(path, kind) for path in sorted(study.glob(f"{part}/*/*.h5"))]
    return {name: np.concatenate([one[name] for one in opened]) for name in names}


def _epsilon(arm: Arm) -> str:
    return "no noise" if arm.epsilon is None else f"epsilon {arm.epsilon:g}"


def _said(found: list[float]) -> Iterator[str]:
    values = 100 * np.array(found)
    yield spread((values.mean(), values.min(), values.max()))


if __name__ == "__main__":
    main()
