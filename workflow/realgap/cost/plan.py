"""What a study will cost, from its configuration alone: neither torch nor images nor weights are needed.

Work is counted per job (realgap.cost.flops), so that rules can ask a cluster for the time and memory that they
need and `snakemake plan` can print the bill before anything is started.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realgap.base_model import layout, samplers
from realgap.cost import flops
from realgap.data import catalog
from realgap.study import config as configuration
from realgap.study import limits, recipes, sources
from realgap.study.sources import Source

ARCHITECTURES = Path(__file__).resolve().parents[3] / "resources" / "architectures"

# dense half-precision peak of one device by its data sheet, TFLOP/s; "cpu" is one core that multiplies 16 floats
# at once, at 3 GHz with a fused multiply-add in two units (192 GFLOP/s)
PEAK_TFLOPS = {
    "cpu": 0.192,
    "t4": 65.0,
    "a40": 149.7,
    "rtx4090": 165.2,
    "a100": 312.0,
    "l40s": 362.0,
    "h100": 989.0,
    "h200": 989.0,
}

# parameters of the UNet and the VAE, for models that are not there yet
_PARAMETERS = {"stable-diffusion-1": 859_520_964 + 83_653_863, "stable-diffusion-2": 865_910_724 + 83_653_863}
# memory that a batch needs for one image: bytes saved for backward for each FLOP of a forward pass
# (SD 1.4 in bf16: 46 MB at 128 px, 184 at 256, 734 at 512)
_SAVED_BYTES_PER_FLOP = 1.1e-3
_INTERPRETER_MB = 2000  # Python with torch and diffusers


@dataclass(frozen=True)
class Work:
    """What one job does. images: that it makes, or trains or tests on; memory_bytes: of its arrays and networks."""

    images: int = 0
    flops: float = 0.0
    disk_bytes: int = 0
    memory_bytes: float = 0.0

    def hours(self, device: str, utilisation: float) -> float:
        """On one device at a share of its peak."""
        return self.flops / (PEAK_TFLOPS[device] * 1e12 * utilisation) / 3600

    @property
    def memory_mb(self) -> int:
        """Peak memory of the process in MB, the interpreter included."""
        return round(_INTERPRETER_MB + self.memory_bytes / 1e6)


class Plan:
    """The work of each step of a study. config: a checked configuration, as Snakemake has it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        dataset, model = config["dataset"], config["base_model"]
        self.classes = len(configuration.classes(config))
        self.per_class, self.per_shard = dataset["images_per_class"], dataset["images_per_shard"]
        self.image_bytes = 3 * dataset["image_size"] ** 2
        self.latents_bytes, self.denoise, self.denoise_backward, self.encoder, self.decoder = self._network(model)
        self.weights_bytes = 4 * _parameters(model)
        stem = config["classifier"]["stem"]
        cifar_stem = dataset["image_size"] < limits.CIFAR_STEM_BELOW if stem == "auto" else stem == "cifar"
        self.classify = flops.resnet(
            config["classifier"]["architecture"], dataset["image_size"], self.classes, cifar_stem=cifar_stem
        )

    def extract_shard(self, images: int) -> Work:
        """Some real images, read and made small."""
        return Work(images, 0.0, images * self.image_bytes)

    def encode_shard(self, images: int) -> Work:
        """The VAE posterior's moments of some real images."""
        memory = self._memory(self.encoder, min(images, limits.VAE_BATCH_SIZE))
        return Work(images, images * self.encoder, 2 * images * self.latents_bytes, memory)

    def invert_shard(self, images: int) -> Work:
        """Embeddings of some real images; with early stopping this is the most that can be."""
        inversion = self.config["inversion"]
        width = self.unet["cross_attention_dim"]
        visit = self.denoise + self.denoise_backward
        memory = self._memory(self.denoise, min(images, inversion["batch_size"]))
        disk = images * inversion["num_tokens"] * width * 4
        return Work(images, images * inversion["steps_per_image"] * visit, disk, memory)

    def invert_class(self) -> Work:
        """One embedding for all real images of a class."""
        own = self.config["class_inversion"]
        seen = min(own["images_per_step"], self.per_class)
        work = own["steps"] * seen * (self.denoise + self.denoise_backward)
        return Work(
            self.per_class,
            work,
            4 * own["num_tokens"] * self.unet["cross_attention_dim"],
            self._memory(self.denoise, seen),
        )

    def sample_shard(self, images: int, source: Source) -> Work:
        """All samples of some real images."""
        sampling, own = self.config["sampling"], source.settings
        made = images * source.samples_per_image(sampling["samples_per_image"])
        steps = max(1, int(own["num_inference_steps"] * own.get("strength", 1)))
        calls = samplers.calls(own["scheduler"], steps)
        branches = 1 if own["guidance_scale"] == 1 else 2
        work = made * (calls * branches * self.denoise + self.decoder)
        batch = min(made, sampling["batch_size"])
        # nothing is kept for a backward pass: a few layers' worth is alive at once
        memory = self._memory(0.1 * (branches * self.denoise + self.decoder), batch)
        return Work(made, work, made * self.image_bytes, memory)

    def reconstruct_shard(self, images: int) -> Work:
        """The VAE-only control of some real images."""
        disk = images * self.image_bytes
        memory = self._memory(0.1 * self.decoder, min(images, limits.VAE_BATCH_SIZE))
        return Work(images, images * self.decoder, disk, memory)

    def train(self) -> Work:
        """One classifier; without FLOPs where the architecture is none that realgap.cost.flops counts."""
        classifier = self.config["classifier"]
        largest = max(self.training_images(name) for name in self.config["training_sets"])
        seen = max(self._seen(name) for name in self.config["training_sets"])
        memory = 3 * largest * self.image_bytes + classifier["batch_size"] * (self.classify or 4e9) * 1e-2
        return Work(seen, 3 * seen * (self.classify or 0.0), 0, memory)

    def _seen(self, training_set: str) -> int:
        """Images that the steps of a row's classifier see."""
        own = recipes.classifier(self.config, training_set)
        by_epochs = own["epochs"] is not None
        return (
            round(own["epochs"] * self.training_images(training_set)) if by_epochs else own["steps"] * own["batch_size"]
        )

    def evaluate(self) -> Work:
        """One classifier on the test images, as far as their number is known beforehand."""
        tested = self.test_images()
        return Work(tested, tested * (self.classify or 0.0), tested * 4 * (self.classes + 4), 0)

    def training_images(self, training_set: str) -> int:
        """Images of a training set, real and generated."""
        known, usual = sources.of(self.config), self.config["sampling"]["samples_per_image"]
        parts = [known[part].samples_per_image(usual) for part in sources.parts_of(training_set) if part in known]
        has_real = sources.REAL in sources.parts_of(training_set)
        return self.classes * self.per_class * (has_real + sum(parts))

    def test_images(self) -> int:
        """Test images of the study, as nearly as can be known before; 0 for a user's own data set."""
        dataset = self.config["dataset"]
        wanted, name = dataset["test_images_per_class"], dataset["name"]
        if name not in catalog.TEST_IMAGES:
            return self.classes * (wanted or 0)
        per_class = catalog.TEST_IMAGES[name] / len(catalog.CLASS_NAMES[name])
        if name == "digits":  # what is not trained on
            per_class -= self.per_class + dataset["validation_images_per_class"]
        return round(self.classes * (min(per_class, wanted) if wanted else per_class))

    def _network(self, model: Mapping[str, Any]) -> tuple[int, float, float, float, float]:
        """Bytes of an image's latents; FLOPs of UNet forward and backward, VAE encoder and decoder."""
        self.unet, vae = (_architecture(model, part) for part in ("unet", "vae"))
        resolution = model["resolution"]
        side = resolution >> (len(vae["block_out_channels"]) - 1)
        forward, backward = flops.unet(self.unet, side, self.config["inversion"]["num_tokens"])
        latents_bytes = 4 * vae["latent_channels"] * side * side
        return latents_bytes, forward, backward, flops.vae_encoder(vae, resolution), flops.vae_decoder(vae, resolution)

    def _memory(self, saved_flops: float, batch: int) -> float:
        """Weights, twice while they are read, and what a batch keeps."""
        return 2 * self.weights_bytes + batch * saved_flops * _SAVED_BYTES_PER_FLOP * 2


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
    return Work(
        sum(job.images for job in jobs),
        sum(job.flops for job in jobs),
        sum(job.disk_bytes for job in jobs),
        max((job.memory_bytes for job in jobs), default=0.0),
    )
