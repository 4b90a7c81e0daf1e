"""What a study will cost, from its configuration alone: neither torch nor images nor weights are needed.

Work is counted per job (realgap.cost.flops), so that rules can ask a cluster for the time and memory that they
need and `snakemake plan` can print the plan before anything is started.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from realgap.base_model import layout, samplers
from realgap.cost import flops, peaks, sizes
from realgap.cost.peaks import PEAK_TFLOPS
from realgap.cost.sizes import ARCHITECTURES
from realgap.data import catalog
from realgap.study import counts, limits, recipes, sources
from realgap.study.sources import Source

# parameters of the UNet and the VAE, for models that are not there yet
_PARAMETERS = {"stable-diffusion-1": 859_520_964 + 83_653_863, "stable-diffusion-2": 865_910_724 + 83_653_863}
_FEATURES = {"resnet18": 512, "resnet34": 512, "resnet20": 64}
HIDDEN = 512  # of realgap.diffusion.encoder, which imports torch
_INTERPRETER_MB = 2000  # Python with torch and diffusers


@dataclass(frozen=True)
class Work:
    """What one job does."""

    images: int = 0  # that it makes, or trains or tests on
    flops: float = 0.0  # on the device
    disk_bytes: int = 0
    memory_bytes: float = 0.0  # of its arrays and networks
    fp32_flops: float = 0.0  # those of `flops` at that rate; the others are at that of half precision
    tf32_flops: float = 0.0
    host_s: float = 0.0  # of one core, whatever the device
    node_bytes: float | None = None  # of the node's memory where a GPU holds the rest; None: memory_bytes
    card_bytes: float = 0.0  # of that GPU's memory

    def hours(self, device: str, utilisation: float) -> float:
        """On one device, and on its host."""
        return self.device_hours(device, utilisation) + self.host_s / 3600

    def device_hours(self, device: str, utilisation: float) -> float:
        """On one device alone, at a share of its peak."""
        peak, half = PEAK_TFLOPS[device], self.flops - self.fp32_flops - self.tf32_flops
        at_peak_s = half / peak.half + self.fp32_flops / peak.fp32 + self.tf32_flops / peak.tf32
        return at_peak_s / (1e12 * utilisation) / 3600

    def times(self, number: int) -> "Work":
        """So many of it one after another, in one job: the memory and the file of one."""
        flops = ("images", "flops", "fp32_flops", "tf32_flops", "host_s")
        return replace(self, **{name: number * getattr(self, name) for name in flops})

    @property
    def memory_mb(self) -> int:
        """Peak memory of the process in MB, the interpreter included."""
        return round(_INTERPRETER_MB + self.memory_bytes / 1e6)


class Plan:
    """The work of each step of a study.

    config: a checked configuration, as Snakemake has it; tested: the test images of a user's own data set.
    """

    def __init__(self, config: Mapping[str, Any], tested: int | None = None) -> None:
        self.config = config = sizes.settled(config)
        dataset, model = config["dataset"], config["base_model"]
        of_each = counts.per_class(config)
        self.classes, self.real, self.tested = len(of_each), sum(of_each.values()), tested
        self.smallest, self.per_shard = min(of_each.values()), dataset["images_per_shard"]
        self.image_bytes = 3 * dataset["image_size"] ** 2
        self.latents_bytes, self.denoise, self.denoise_backward, self.encoder, self.decoder = self._network(model)
        self.weights_bytes = 4 * _parameters(model)
        self.vae_batch = limits.vae_batch(model["resolution"])
        self._counted: dict[tuple, tuple[float, int, int, int | None, float]] = {}

    def extract_shard(self, images: int) -> Work:
        """Some real images, read and made small."""
        return Work(images, 0.0, images * self.image_bytes)

    def encode_shard(self, images: int) -> Work:
        """The VAE posterior's moments of some real images."""
        disk = self._stored("moments", 2 * images * self.latents_bytes)
        return self._of_model(images, images * self.encoder, disk, sizes.VAE_BYTES * self.encoder, self.vae_batch)

    def invert_shard(self, images: int, steps: int | None = None) -> Work:
        """Embeddings of some real images, by so many steps; with early stopping this is the most that can be."""
        inversion = self.config["inversion"]
        steps = inversion["steps_per_image"] if steps is None else steps
        visit = self.denoise + self.denoise_backward
        saved, batch = sizes.SAVED_BYTES * self.denoise, inversion["batch_size"]
        disk = self._stored("embeddings", self._embeddings_bytes(images))
        return self._of_model(images, images * steps * visit, disk, saved, batch)

    def teach_encoder(self) -> Work:
        """The encoder of an amortised inversion: all real images, a step each in every round."""
        work = self.invert_shard(self.real, self.config["inversion"]["encoder_steps"])
        held = 2.0 * self.real * self.latents_bytes
        kept = {"memory_bytes": work.memory_bytes + held, "node_bytes": (work.node_bytes or 0.0) + held}
        seen = self.latents_bytes // 4 + self.classes  # numbers of an image that its first layer reads
        weights = HIDDEN * (4 * seen + self._embeddings_bytes(1))
        return replace(work, disk_bytes=weights, **kept)

    def predict_shard(self, images: int) -> Work:
        """Embeddings that an encoder predicts, and the steps that each image takes from there."""
        return self.invert_shard(images, self.config["inversion"]["refining_steps"])

    def invert_class(self, images: int) -> Work:
        """One embedding for all real images of a class."""
        own = self.config["class_inversion"]
        seen = min(own["images_per_step"], images)
        work = own["steps"] * seen * (self.denoise + self.denoise_backward)
        disk = 4 * own["num_tokens"] * self.unet["cross_attention_dim"]
        return self._of_model(images, work, disk, sizes.SAVED_BYTES * self.denoise, seen)

    def release(self) -> Work:
        """One embedding of each class from those of all real images; on the host."""
        each = 4 * self.config["inversion"]["num_tokens"] * self.unet["cross_attention_dim"]
        memory = 2 * self.weights_bytes + 6 * self.real * each  # in fp64, and its differences
        return Work(self.real, disk_bytes=self.classes * each, memory_bytes=memory, host_s=30 + 1e-4 * self.real)

    def sample_shard(self, images: int, source: Source, made: int | None = None) -> Work:
        """All samples of some real images, or so many."""
        sampling, own = self.config["sampling"], source.settings
        made = made or images * source.samples_per_image(sampling["samples_per_image"])
        steps = max(1, int(own["num_inference_steps"] * own.get("strength", 1)))
        calls, of = (samplers.calls(own["scheduler"], number) for number in (steps, own["num_inference_steps"]))
        away = [samplers.guided(call, of, own["guidance_interval"]) for call in range(of - calls, of)]
        guided = sum(away) if own["guidance_scale"] != 1 else 0
        branches = 2 if guided else 1
        work = made * ((calls + guided) * self.denoise + self.decoder)
        work += images * own.get("inversion_steps", 0) * self.denoise
        # the decoder follows upon the denoiser, with as many images as fit
        alive = sizes.ALIVE_BYTES * branches * self.denoise
        return self._of_model(made, work, made * self.image_bytes, alive, sampling["batch_size"], decoded=True)

    def reconstruct_shard(self, images: int) -> Work:
        """The VAE-only control of some real images."""
        disk = images * self.image_bytes
        return self._of_model(images, images * self.decoder, disk, sizes.VAE_BYTES * self.decoder, self.vae_batch)

    def classifier(self, training_set: str = sources.REAL) -> tuple[float, int, int, int | None, float]:
        """Of a row's: FLOPs of an image, parameters (0: few), features, px it is resized to, bytes saved of one."""
        own = recipes.classifier(self.config, training_set)
        key = tuple(own[name] for name in ("architecture", "weights", "input_size", "stem"))
        if key not in self._counted:
            self._counted[key] = _classifier(own, self.config["dataset"]["image_size"], self.classes)
        return self._counted[key]

    def train(self, training_set: str, on_disk: bool = False) -> Work:
        """One classifier of a row; on_disk: whether its images are read batch by batch."""
        own = recipes.classifier(self.config, training_set)
        forward, parameters, *_, saved = self.classifier(training_set)
        images = self.training_images(training_set)
        seen = own["steps"] * own["batch_size"] if own["epochs"] is None else round(own["epochs"] * images)
        # weights, gradients, momenta, and the file that they begin at
        held = 32 * images if on_disk else 3 * images * self.image_bytes
        kept, batch = held + 16 * parameters, own["batch_size"] * saved
        passes = 1 if own["backbone_lr"] == 0 else 3
        return Work(
            seen,
            disk_bytes=12 * parameters,
            memory_bytes=kept + batch,
            node_bytes=kept,
            card_bytes=sizes.on_card(0.0, kept + batch),
            **self.rated(passes * seen * forward, trained=True),
        )

    def evaluate(self, training_set: str = sources.REAL) -> Work:
        """One classifier on the test images, as far as their number is known beforehand."""
        tested = self.test_images()
        disk = tested * 4 * (self.classes + 4)
        forward, parameters, *_ = self.classifier(training_set)
        read = 3 * tested * self.image_bytes + 8 * parameters
        return Work(tested, disk_bytes=disk, memory_bytes=read, **self.rated(tested * forward))

    def on_disk(self, training_set: str) -> bool:
        """Whether a training set is more than may be held in memory, so that it is read batch by batch."""
        most = 1e6 * recipes.classifier(self.config, training_set)["resident_mb"]
        return self.training_images(training_set) * self.image_bytes > most

    def training_images(self, training_set: str) -> int:
        """Images of a training set, real and generated."""
        return sum(map(self.images, sources.parts_of(training_set)))

    def images(self, source: str) -> int:
        """Images of a source, real ones among them."""
        known = sources.of(self.config)
        return counts.generated(self.config, known[source].own_samples) if source in known else self.real

    def test_images(self) -> int:
        """Test images of the study, as nearly as can be known before; 0 where nobody has looked."""
        dataset = self.config["dataset"]
        wanted, name = dataset["test_images_per_class"], dataset["name"]
        if name not in catalog.TEST_IMAGES:
            return self.classes * (wanted or 0) if self.tested is None else self.tested
        per_class = catalog.TEST_IMAGES[name] / len(catalog.CLASS_NAMES[name])
        if name == "digits":  # what is not trained on
            per_class -= self.real / self.classes + dataset["validation_images_per_class"]
        return round(self.classes * (min(per_class, wanted) if wanted else per_class))

    def _network(self, model: Mapping[str, Any]) -> tuple[int, float, float, float, float]:
        """Bytes of an image's latents; FLOPs of UNet forward and backward, VAE encoder and decoder."""
        self.unet, vae = (_architecture(model, part) for part in ("unet", "vae"))
        resolution = model["resolution"]
        side = resolution >> (len(vae["block_out_channels"]) - 1)
        forward, backward = flops.unet(self.unet, side, self.config["inversion"]["num_tokens"])
        latents_bytes = 4 * vae["latent_channels"] * side * side
        return latents_bytes, forward, backward, flops.vae_encoder(vae, resolution), flops.vae_decoder(vae, resolution)

    def _embeddings_bytes(self, images: int) -> int:
        return images * self.config["inversion"]["num_tokens"] * self.unet["cross_attention_dim"] * 4

    def _stored(self, kind: str, size: int) -> int:
        """Bytes on disk of float32 arrays; pixels are counted as they are, for what WebP makes of them is not known."""
        return size // 2 if self.config["store"][kind] == "float16" else size

    def rated(self, work: float, trained: bool = False) -> dict[str, float]:
        """FLOPs as Work has them, at the rate of the study's precision."""
        rate = peaks.of(self.config["compute"], self.config["plan"]["device"], trained)
        return {"flops": work, **({} if rate == "half" else {f"{rate}_flops": work})}

    def _of_model(
        self, images: int, work: float, disk: int, each_bytes: float, batch: int, decoded: bool = False
    ) -> Work:
        """A job with the base model. each_bytes: what an image of a batch takes in half precision."""
        in_batches = min(images, batch) * each_bytes
        if decoded:
            in_batches = max(in_batches, min(images, batch, self.vae_batch) * sizes.VAE_BYTES * self.decoder)
        compute = self.config["compute"]
        weights = self.weights_bytes / (2 if peaks.of(compute) == "half" else 1)
        return Work(
            images,
            disk_bytes=disk,
            # weights twice while they are read; on a CPU a batch is of fp32
            memory_bytes=2 * self.weights_bytes + 2 * in_batches,
            node_bytes=2 * self.weights_bytes,
            card_bytes=sizes.on_card(weights, sizes.batch_bytes(compute, in_batches)),
            **self.rated(work),
        )


def _classifier(own: Mapping[str, Any], image_size: int, classes: int) -> tuple[float, int, int, int | None, float]:
    """What Plan.classifier says; ResNets on images as they are need no torch for it."""
    architecture, stem = own["architecture"], own["stem"]
    size = own["input_size"] or image_size
    cifar_stem = size < limits.CIFAR_STEM_BELOW if stem == "auto" else stem == "cifar"
    known = flops.resnet(architecture, size, classes, cifar_stem=cifar_stem) if own["weights"] is None else None
    if known is not None:
        return known, 0, _FEATURES.get(architecture, 2048), own["input_size"], known * 1e-2
    from realgap.classifier import counting  # torch

    return tuple(counting.count(own, image_size, classes))


def _architecture(model: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The configuration of a part of a base model; of Stable Diffusion where the model is not there yet."""
    there = (Path(model["path"]) / part / "config.json").is_file()
    return layout.part_config(model["path"] if there else ARCHITECTURES / _family(model), part)


def _family(model: Mapping[str, Any]) -> str:
    return "stable-diffusion-2" if "stable-diffusion-2" in str(model["hub"] or model["path"]) else "stable-diffusion-1"


def _parameters(model: Mapping[str, Any]) -> float:
    """Of UNet and VAE: of their own weights where they are there."""
    if not (Path(model["path"]) / "model_index.json").is_file():
        return _PARAMETERS[_family(model)]
    return sum(layout.parameters(model["path"], part) for part in ("unet", "vae"))


def total(jobs: Iterable[Work]) -> Work:
    """The work of several jobs: the most memory that one needs, all else added up."""
    jobs = list(jobs)
    added = ("images", "flops", "disk_bytes", "fp32_flops", "tf32_flops", "host_s")
    most = ("memory_bytes", "card_bytes")
    return Work(
        **{name: sum(getattr(job, name) for job in jobs) for name in added},
        **{name: max((getattr(job, name) for job in jobs), default=0.0) for name in most},
    )
