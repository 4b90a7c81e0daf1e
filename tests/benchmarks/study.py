"""A study in one process, for choosing its settings: invert, sample, train, measure.

It is tested on images that the shipped study is not tested on.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from sklearn.linear_model import RidgeCV
from snakemake.utils import update_config
from torch import nn

from realgap import devices, streams
from realgap.analyses.fidelity import distances as fidelity
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.classifier import networks, training
from realgap.cost import sizes
from realgap.data import catalog, loaders, splits
from realgap.diffusion import conditioning, inversion, sampling
from realgap.features import extractors
from realgap.pretraining import captions
from realgap.study import counts
from tests import checkout, given
from tests.benchmarks.subjects import digits

CPU = torch.device("cpu")
PAIRS = 64  # of timestep and noise, on which embeddings are judged; no run sees them
BINS = 32  # of time, in which the size of gradients is measured
SMALL = "small"  # the name of a network that trains fifty times as fast as a ResNet-18
# how the others are inverted, to which the encoder is fitted and whose class means are starts
OF_OTHERS = {"visits": 320, "lr": 0.1, "lr_schedule": "cosine"}
SETTINGS_OF_SMALL = {"steps": 300, "batch_size": 64, "lr": 0.05}

Images = dict[str, np.ndarray]  # arrays of an "images" shard


def of_digits(per_class: int, classifier: str) -> "Study":
    """The default study on other images than its own: some of each class, as many inverted before, 600 to test on."""
    others, test = digits(per_class, start=10), digits(per_class=60, start=40)
    return Study(_config(), digits(per_class), others, test, classifier)


def of_cifar10(root: Path, per_class: int, tested: int, classifier: str) -> "Study":
    """`resources/studies/cifar10-mini.yaml` on its own images or the first of them, tested on others of that split."""
    settings = _config("cifar10-mini")
    dataset, seed = loaders.cifar10(root, "train"), settings["seed"]
    chosen = [splits.training_rows(dataset, name, 0, per_class, seed, tested) for name in catalog.CIFAR10]
    held_out = splits.validation_rows(dataset, catalog.CIFAR10, tested, seed)
    size = settings["dataset"]["image_size"]
    images, test = (splits.take(dataset, rows, size) for rows in (np.concatenate(chosen), held_out))
    return Study(settings, images, None, test, classifier)


class Study:
    """Everything that does not depend on how images are inverted.

    images are inverted, others stand for images that were inverted before, test is real and seen by no one.
    """

    def __init__(
        self, config: dict[str, Any], images: Images, others: Images | None, test: Images, classifier: str
    ) -> None:
        self.config, self.classifier = config, classifier
        self.images, self.others, self.test = images, others, test
        self.model = checkout.ROOT / config["base_model"]["path"]
        self.dtype = devices.pick_dtype("auto", CPU)
        self.vae, self.unet = (load(self.model, CPU, self.dtype) for load in (autoencoder.load, denoiser.load))
        self.exact = denoiser.predictor(denoiser.load(self.model, CPU, torch.float32))
        self.alphas_cumprod, self.prediction_type = schedules.noise(self.model)
        self.scaling_factor = autoencoder.scaling_factor(self.model)

    def moments(self, images: Images) -> tuple[np.ndarray, np.ndarray]:
        return autoencoder.encode(self.vae, images["images"], self.config["base_model"]["resolution"])

    def reconstruct(self, mean: np.ndarray) -> np.ndarray:
        """What the VAE alone makes of latents, uint8 (n, h, w, 3)."""
        return self._decode(torch.from_numpy(mean) * self.scaling_factor)

    def invert(self, images: Images, start: np.ndarray, timesteps: str, patience: int | None, **settings):
        """The state at the end; timesteps may be "importance" or "stratified importance" too."""
        predict, alphas_cumprod = denoiser.predictor(self.unet), self.alphas_cumprod
        if "importance" in timesteps:
            predict, alphas_cumprod = warped(predict, alphas_cumprod, self.importance)
            timesteps = "stratified" if "stratified" in timesteps else "uniform"
        stopping = None
        if patience is not None:
            stopping = (patience, self.config["inversion"]["early_stopping_tolerance"], 16)
        state = inversion.begin(start, settings["visits"], stopping is not None)
        run = given.invert(
            state,
            *self.moments(images),
            images["image_ids"],
            predict,
            alphas_cumprod,
            prediction_type=self.prediction_type,
            scaling_factor=self.scaling_factor,
            weight_decay=self.config["inversion"]["weight_decay"],
            timesteps=timesteps,
            seed=0,
            batch_size=100,
            device=CPU,
            early_stopping=stopping,
            **settings,
        )
        for _ in run:
            pass
        return state

    def as_default(self, images: Images) -> np.ndarray:
        """Embeddings as the study finds them, float32 (n, tokens, width)."""
        own = self.config["inversion"]
        settings = {"lr": own["lr"], "lr_schedule": own["lr_schedule"], "visits": own["steps_per_image"]}
        return self.invert(images, self.start(own["start"], images), own["timesteps"], None, **settings).result()

    def start(self, name: str, images: Images) -> np.ndarray:
        """Where embeddings begin, float32 (n, tokens, width)."""
        settings = self.config["inversion"]
        if name == "random":
            width = self.unet.config.cross_attention_dim
            return inversion.random_start(
                images["image_ids"], settings["num_tokens"], width, settings["start_scale"], seed=0
            )
        if name == "prompt":
            return self.prompts[images["labels"]]
        if name == "looks":
            names = list(counts.per_class(self.config))
            own = zip(images["images"], images["labels"], strict=True)
            return self._embed([captions.looks(image[None], names[label])[0] for image, label in own])
        if name == "class mean":
            means = [self.inverted[self.others["labels"] == label].mean(axis=0) for label in self.labels]
            return np.stack(means)[images["labels"]]
        assert name == "encoder", name
        seen = self._seen(self.others)
        ridge = RidgeCV(np.logspace(-2, 5, 15)).fit(seen, self.inverted.reshape(len(seen), -1))
        return ridge.predict(self._seen(images)).reshape(-1, *self.inverted.shape[1:]).astype(np.float32)

    @cached_property
    def inverted(self) -> np.ndarray:
        """Embeddings of the others."""
        return self.invert(self.others, self.start("prompt", self.others), "uniform", None, **OF_OTHERS).result()

    @cached_property
    def importance(self) -> np.ndarray:
        """Root mean square gradient of the loss over time, (T,), of others at their class prompts."""
        mean, _ = self.moments(self.others)
        embeddings = torch.from_numpy(self.start("prompt", self.others)).requires_grad_()
        sizes = []
        for part in range(BINS):
            loss = self._loss(embeddings, mean, self.others["image_ids"], (part + 0.5) / BINS, "gradient", self.exact)
            gradient = torch.autograd.grad(loss.sum(), embeddings)[0]
            sizes.append(float(gradient.square().sum(dim=(1, 2)).mean().sqrt()))
        return np.repeat(sizes, -(-len(self.alphas_cumprod) // BINS))[: len(self.alphas_cumprod)]

    @torch.no_grad()
    def fixed_loss(self, embeddings: np.ndarray, images: Images) -> np.ndarray:
        """Mean loss of each image on PAIRS of timestep and noise, in float32, (n,)."""
        mean, _ = self.moments(images)
        given = torch.from_numpy(embeddings)
        losses = [
            self._loss(given, mean, images["image_ids"], (pair + 0.5) / PAIRS, f"judged {pair}", self.exact)
            for pair in range(PAIRS)
        ]
        return torch.stack(losses).mean(dim=0).numpy()

    def generate(self, embeddings: np.ndarray, **changes: Any) -> Images:
        """What the study samples from these embeddings; changes are of its settings for inverted embeddings."""
        settings = {**self.config["sources"]["diffusion_inversion"], **changes}
        variants = settings.pop("samples_per_image", self.config["sampling"]["samples_per_image"])
        shape = denoiser.latent_shape(self.model, self.vae, self.unet, self.config["base_model"]["resolution"])
        drawn, sources = [], []
        for label in self.labels:
            rows = np.flatnonzero(self.images["labels"] == label)
            own, ids = embeddings[rows], self.images["image_ids"][rows]
            items = sampling.items(ids, variants)
            mixing = {key: settings[key] for key in ("embedding_noise", "interpolation_strength")}
            drawn += sampling.sample(
                sampling.initial_latents(items, shape, seed=0),
                conditioning.mix(items, own, ids, seed=0, **mixing),
                own.mean(axis=0),
                denoiser.predictor(self.unet),
                schedules.sampler(self.model, settings["scheduler"]),
                self._decode,
                num_inference_steps=settings["num_inference_steps"],
                guidance_scale=settings["guidance_scale"],
                batch_size=self.config["sampling"]["batch_size"],
                device=CPU,
            )
            sources.append(np.repeat(rows, variants))
        rows = np.concatenate(sources)
        return {"images": np.concatenate(drawn), "labels": self.images["labels"][rows], "sources": rows}

    def accuracies(self, parts: Sequence[Images], seeds: Iterable[int], real_share: float = 0.5) -> np.ndarray:
        """Of classifiers trained on images with labels, on the real test images, in %, (seeds,)."""
        return 100 * np.stack([self.correct(parts, seed, real_share) for seed in seeds]).mean(axis=1)

    def correct(self, parts: Sequence[Images], seed: int, real_share: float = 0.5) -> np.ndarray:
        """Which real test images a classifier trained on images with labels is right about, bool (images,).

        Of two parts, real and generated, the first is real_share of each batch.
        """
        shares = [1.0] if len(parts) == 1 else [real_share, 1 - real_share]
        logits = training.predict(self._trained(parts, shares, seed), self.test["images"], **self._running())
        return logits.argmax(axis=1) == self.test["labels"]

    def distances(self, generated: np.ndarray) -> dict[str, float]:
        """Kernel distance to the test images and the share of them that is covered, by a classifier of real ones."""
        real = self._features_of_test
        own = extractors.penultimate(self._judge, generated, **self._running())
        return {
            "kernel_distance": fidelity.kernel_distance(real, own),
            "coverage": 100 * float(fidelity.coverage(real, own, k=5).coverage.mean()),
        }

    @cached_property
    def _judge(self) -> nn.Module:
        return self._trained([self.images], [1.0], seed=100)

    @cached_property
    def _features_of_test(self) -> np.ndarray:
        return extractors.penultimate(self._judge, self.test["images"], **self._running())

    def _trained(self, parts: Sequence[Images], shares: Sequence[float], seed: int) -> nn.Module:
        known = {field.name for field in dataclasses.fields(training.Settings)}
        settings = {key: value for key, value in self.config["classifier"].items() if key in known}
        size = self.test["images"].shape[1]
        if self.classifier == SMALL:
            model, settings = small_network(size), {**settings, **SETTINGS_OF_SMALL}
        else:
            model = networks.build(self.classifier, len(self.labels), size)
        networks.initialise(model, seed)
        dtype = devices.pick_dtype("auto", CPU, training=True)
        arrays = [(part["images"], part["labels"]) for part in parts]
        for _ in given.train(model, arrays, shares, **settings, seed=seed, device=CPU, dtype=dtype):
            pass
        return model

    def _running(self) -> dict:
        return {"batch_size": 200, "device": CPU, "dtype": devices.pick_dtype("auto", CPU)}

    def _decode(self, latents: torch.Tensor) -> np.ndarray:
        return autoencoder.decode(self.vae, latents, self.config["dataset"]["image_size"])

    def _seen(self, images: Images) -> np.ndarray:
        """What the encoder sees: the posterior's mean and the class, (n, features)."""
        mean, _ = self.moments(images)
        return np.hstack([mean.reshape(len(mean), -1), 10 * np.eye(len(self.labels))[images["labels"]]])

    @property
    def labels(self) -> range:
        return range(len(counts.per_class(self.config)))

    @cached_property
    def prompts(self) -> np.ndarray:
        """The first tokens of each class's prompt, (classes, tokens, width)."""
        templates = checkout.ROOT / self.config["prompts"]["templates"]
        texts = [prompting.of_class(str(templates), name)[0] for name in counts.per_class(self.config)]
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        return prompting.embed(self.model, texts, CPU)[:, : self.config["inversion"]["num_tokens"]].numpy()

    def _loss(
        self, embeddings: torch.Tensor, mean: np.ndarray, image_ids: np.ndarray, u: float, purpose: str, predict
    ) -> torch.Tensor:
        noise = streams.normal((streams.stream(0, purpose, i) for i in image_ids), mean.shape[1:])
        latents, noise = self.scaling_factor * torch.from_numpy(mean), torch.from_numpy(noise)
        t = int(u * len(self.alphas_cumprod))
        a, s = self.alphas_cumprod[t].sqrt(), (1 - self.alphas_cumprod[t]).sqrt()
        target = noise if self.prediction_type == "epsilon" else a * noise - s * latents
        predicted = predict(a * latents + s * noise, torch.full((len(latents),), t), embeddings)
        return (predicted - target).square().flatten(1).mean(dim=1)


def small_network(size: int) -> nn.Module:
    """Three convolutions for images of 16 px, four for 32 px."""
    widths = [3, 32, 64, 128, 128][: size.bit_length() - 1]
    layers: list[nn.Module] = []
    for width, out in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4, 10))


def warped(
    predict: denoiser.Predict, alphas_cumprod: torch.Tensor, size: np.ndarray, fine: int = 10
) -> tuple[denoiser.Predict, torch.Tensor]:
    """A denoiser and a schedule in whose time uniform draws are draws of timesteps by `size` (T,) of their gradients.

    A tenth of the draws stays uniform. The gradient that reaches the conditioning is divided by how much more
    often a timestep is drawn, so its expectation is that of uniform draws; values are unchanged.
    """
    count = len(size)
    density = 0.9 * size / size.sum() + 0.1 / count
    quantiles = (np.arange(fine * count) + 0.5) / (fine * count)
    at = torch.from_numpy(np.minimum(np.searchsorted(np.cumsum(density), quantiles), count - 1))
    weight = fine / torch.bincount(at, minlength=count)

    def predict_warped(latents: torch.Tensor, drawn: torch.Tensor, conditioning: torch.Tensor) -> torch.Tensor:
        predicted = predict(latents, at[drawn], conditioning)
        w = weight[at[drawn]].view(-1, 1, 1, 1)
        return predicted.detach() + w * (predicted - predicted.detach())

    return predict_warped, alphas_cumprod[at]


def _config(study: str | None = None) -> dict[str, Any]:
    """The default study's configuration, or what a shipped study makes of it."""
    merged = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    if study:
        update_config(merged, yaml.safe_load((checkout.ROOT / f"resources/studies/{study}.yaml").read_text()))
    return sizes.settled(merged)
