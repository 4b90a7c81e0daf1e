"""The digits study in one process, on the images that settings are chosen on: invert, sample, train, measure.

10 real images of each class are inverted, or fewer; as many others stand for images that were inverted before; 600 are
tested on. None of these numbers is one of the default study, which has another seed.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import torch
import yaml
from sklearn.linear_model import RidgeCV
from torch import nn

from realgap import catalog, classifiers, devices, features, fidelity, inversion, models, sampling, steps, streams
from tests import checkout
from tests.benchmarks.subjects import digits

CPU = torch.device("cpu")
CONFIG = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
MODEL = checkout.ROOT / CONFIG["base_model"]["path"]
PAIRS = 64  # of timestep and noise, on which embeddings are judged; no run sees them
BINS = 32  # of time, in which the size of gradients is measured
SMALL = "small"  # the name of a network that trains fifty times as fast as a ResNet-18
# how the others are inverted, to which the encoder is fitted and whose class means are starts
OF_OTHERS = {"visits": 320, "lr": 0.1, "lr_schedule": "cosine"}
SETTINGS_OF_SMALL = {"steps": 300, "batch_size": 64, "lr": 0.05}


class Digits:
    """Everything that does not depend on how images are inverted."""

    def __init__(self, per_class: int, classifier: str) -> None:
        self.classifier = classifier
        self.dtype = devices.pick_dtype("auto", CPU)
        self.images, self.others = digits(per_class), digits(per_class, start=10)
        self.test = digits(per_class=60, start=40)
        self.vae, self.unet = (load(MODEL, CPU, self.dtype) for load in (models.load_vae, models.load_unet))
        self.exact = models.denoiser(models.load_unet(MODEL, CPU, torch.float32))
        self.alphas_cumprod, self.prediction_type = models.noise_schedule(MODEL)
        self.scaling_factor = models.scaling_factor(MODEL)
        self.prompts = self._prompts()

    def moments(self, images: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return models.encode(self.vae, images["images"], CONFIG["base_model"]["resolution"])

    def invert(
        self, images: dict[str, np.ndarray], start: np.ndarray, timesteps: str, patience: int | None, **settings
    ):
        """The state at the end; timesteps may be "importance" or "stratified importance" too."""
        predict, alphas_cumprod = models.denoiser(self.unet), self.alphas_cumprod
        if "importance" in timesteps:
            predict, alphas_cumprod = warped(predict, alphas_cumprod, self.importance)
            timesteps = "stratified" if "stratified" in timesteps else "uniform"
        stopping = None
        if patience is not None:
            stopping = inversion.EarlyStopping(patience, CONFIG["inversion"]["early_stopping_tolerance"], pairs=16)
        state = inversion.begin(start, settings["visits"], stopping is not None)
        run = inversion.invert(
            state,
            *self.moments(images),
            images["image_ids"],
            predict,
            alphas_cumprod,
            prediction_type=self.prediction_type,
            scaling_factor=self.scaling_factor,
            weight_decay=CONFIG["inversion"]["weight_decay"],
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

    def start(self, name: str, images: dict[str, np.ndarray]) -> np.ndarray:
        """Where embeddings begin, float32 (n, tokens, width)."""
        settings = CONFIG["inversion"]
        if name == "random":
            width = self.unet.config.cross_attention_dim
            return inversion.random_start(
                images["image_ids"], settings["num_tokens"], width, settings["start_scale"], seed=0
            )
        if name == "prompt":
            return self.prompts[images["labels"]]
        if name == "class mean":
            means = [self.inverted[self.others["labels"] == label].mean(axis=0) for label in range(10)]
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
    def fixed_loss(self, embeddings: np.ndarray, images: dict[str, np.ndarray]) -> np.ndarray:
        """Mean loss of each image on PAIRS of timestep and noise, in float32, (n,)."""
        mean, _ = self.moments(images)
        given = torch.from_numpy(embeddings)
        losses = [
            self._loss(given, mean, images["image_ids"], (pair + 0.5) / PAIRS, f"judged {pair}", self.exact)
            for pair in range(PAIRS)
        ]
        return torch.stack(losses).mean(dim=0).numpy()

    def generate(self, embeddings: np.ndarray, scheduler: str, num_inference_steps: int) -> dict[str, np.ndarray]:
        """What a study samples from these embeddings: 10 images for each."""
        settings, drawn, labels = CONFIG["sampling"]["diffusion_inversion"], [], []
        shape = models.latent_shape(MODEL, self.vae, self.unet, CONFIG["base_model"]["resolution"])
        for label in range(10):
            rows = np.flatnonzero(self.images["labels"] == label)
            own, ids = embeddings[rows], self.images["image_ids"][rows]
            items = sampling.items(ids, CONFIG["sampling"]["variants"])
            mixing = {key: settings[key] for key in ("embedding_noise", "mixing_weight")}
            drawn += sampling.sample(
                sampling.initial_latents(items, shape, seed=0),
                sampling.mix(items, own, ids, seed=0, **mixing),
                own.mean(axis=0),
                models.denoiser(self.unet),
                models.scheduler(MODEL, scheduler),
                lambda latents: models.decode(self.vae, latents, CONFIG["dataset"]["image_size"]),
                num_inference_steps=num_inference_steps,
                guidance_scale=settings["guidance_scale"],
                batch_size=CONFIG["sampling"]["batch_size"],
                device=CPU,
            )
            labels += [label] * len(items)
        return {"images": np.concatenate(drawn), "labels": np.array(labels)}

    def accuracies(self, data: dict[str, np.ndarray], seeds: Iterable[int]) -> np.ndarray:
        """Of classifiers trained on images with labels, on the 600 real test images, in %, (seeds,)."""
        found = []
        for seed in seeds:
            logits = classifiers.predict(self._trained(data, seed), self.test["images"], **self._running())
            found.append(100 * float((logits.argmax(axis=1) == self.test["labels"]).mean()))
        return np.array(found)

    def distances(self, generated: np.ndarray) -> dict[str, float]:
        """Kernel distance to the test images and the share of them that is covered, by a classifier of real ones."""
        real = self._features_of_test
        own = features.penultimate(self._judge, generated, **self._running())
        return {
            "kernel_distance": fidelity.kernel_distance(real, own),
            "coverage": 100 * float(fidelity.coverage(real, own, k=5).coverage.mean()),
        }

    @cached_property
    def _judge(self) -> nn.Module:
        return self._trained(self.images, seed=100)

    @cached_property
    def _features_of_test(self) -> np.ndarray:
        return features.penultimate(self._judge, self.test["images"], **self._running())

    def _trained(self, data: dict[str, np.ndarray], seed: int) -> nn.Module:
        settings = {k: v for k, v in CONFIG["classifier"].items() if k not in ("architecture", "real_share")}
        if self.classifier == SMALL:
            model, settings = small_network(), {**settings, **SETTINGS_OF_SMALL}
        else:
            model = classifiers.build(self.classifier, 10, data["images"].shape[1])
        classifiers.initialise(model, seed)
        dtype = devices.pick_dtype("auto", CPU, training=True)
        parts = [(data["images"], data["labels"])]
        for _ in classifiers.train(model, parts, [1.0], **settings, seed=seed, device=CPU, dtype=dtype):
            pass
        return model

    def _running(self) -> dict:
        return {"batch_size": 200, "device": CPU, "dtype": devices.pick_dtype("auto", CPU)}

    def _seen(self, images: dict[str, np.ndarray]) -> np.ndarray:
        """What the encoder sees: the posterior's mean and the class, (n, features)."""
        mean, _ = self.moments(images)
        return np.hstack([mean.reshape(len(mean), -1), 10 * np.eye(10)[images["labels"]]])

    def _prompts(self) -> np.ndarray:
        """The first tokens of each class's prompt, (10, tokens, width)."""
        templates = checkout.ROOT / CONFIG["sampling"]["stable_diffusion"]["templates"]
        texts = [steps.prompts(str(templates), name)[0] for name in catalog.DIGITS]
        return models.embed_prompts(MODEL, texts, CPU)[:, : CONFIG["inversion"]["num_tokens"]].numpy()

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


def small_network() -> nn.Module:
    """Three convolutions for images of 16 px."""
    layers: list[nn.Module] = []
    for width, out in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4, 10))


def warped(
    predict: models.Predict, alphas_cumprod: torch.Tensor, size: np.ndarray, fine: int = 10
) -> tuple[models.Predict, torch.Tensor]:
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
