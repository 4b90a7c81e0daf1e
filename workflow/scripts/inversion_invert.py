"""Invert a shard of real images: one conditioning embedding per image, found by gradient descent."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from realgap import devices
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.diffusion import inversion
from realgap.pretraining import captions
from realgap.run import steps
from realgap.store import checkpoints, naming, provenance, shards


@dataclass(frozen=True)
class Options(inversion.Settings, devices.Compute):
    class_name: str
    num_tokens: int
    start: str
    start_scale: float
    max_failed_share: float
    seed: int


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, images={}, moments={}, base_model=steps.BASE_MODEL, templates={}, out={}
    )
    moments = shards.read(args.moments, "moments")
    made = {"step": "invert", "options": asdict(options), "inputs": {"moments": moments.attributes["checksum"]}}
    made |= naming.carried(moments.attributes)
    checkpoint = checkpoints.Checkpoint(args.out, made)

    def start(unet: Any, device: torch.device) -> np.ndarray:
        return STARTS[options.start](args, options, moments["image_ids"], unet, device)

    arrays, failed = invert(args, options, moments.arrays, start, checkpoint)
    made |= {"failed": failed, "versions": provenance.versions("torch", "diffusers")}
    shards.write(args.out, "embeddings", arrays, made)
    checkpoint.remove()


def invert(
    args: Any,
    options: Any,
    moments: Mapping[str, np.ndarray],
    start: Callable[[Any, torch.device], np.ndarray],
    checkpoint: checkpoints.Checkpoint,
) -> tuple[dict[str, np.ndarray], list[int]]:
    """What a shard of embeddings holds of these images, and the ids of those that failed and are left out.

    options: of this step or of another that inverts; start: from the UNet and its device to where embeddings begin.
    """
    device = devices.pick(options)
    unet = denoiser.load(args.base_model, device, devices.pick_dtype(options.precision, device))
    devices.arrange(unet, options, device)
    alphas_cumprod, prediction_type = schedules.noise(args.base_model)
    state = checkpoint.load(inversion.State)
    if state is None:
        state = inversion.begin(start(unet, device), options.steps_per_image, options.stops_early)
    image_ids = moments["image_ids"]
    run = inversion.invert(
        state,
        moments["mean"],
        moments["std"],
        image_ids,
        denoiser.predictor(unet),
        alphas_cumprod,
        options,
        prediction_type=prediction_type,
        scaling_factor=autoencoder.scaling_factor(args.base_model),
        seed=options.seed,
        device=device,
    )
    batches = -(-len(image_ids) // options.batch_size)
    for current in steps.progress(run, state.losses.shape[1] * batches, "inverting"):
        checkpoint.offer(lambda: state)
        if current.failed.mean() > options.max_failed_share:
            checkpoint.remove()
            raise ValueError(_failure(args.moments, image_ids, state.failed, options.max_failed_share))
    kept, failed = ~state.failed, image_ids[state.failed].tolist()
    for image_id in failed:
        print(f"warning: image {image_id} of {args.moments} failed: NaN or infinity arose; left out", file=sys.stderr)
    arrays = {
        "embeddings": state.result()[kept],
        "losses": state.losses[kept],
        "visits": state.visits(options.steps_per_image)[kept],
        "labels": moments["labels"][kept],
        "image_ids": image_ids[kept],
    }
    return arrays, failed


def _failure(path: str, image_ids: np.ndarray, failed: np.ndarray, share: float) -> str:
    names = ", ".join(map(str, image_ids[failed][:5])) + (", ..." if failed.sum() > 5 else "")
    return (
        f"{path}: NaN or infinity arose in {failed.sum()} of {len(failed)} images ({names}), more than "
        f"inversion.max_failed_share, {share}; a lower inversion.lr or compute.precision fp32 may help"
    )


def _random(args: Any, options: Options, image_ids: np.ndarray, unet: Any, device: torch.device) -> np.ndarray:
    width = unet.config.cross_attention_dim
    return inversion.random_start(image_ids, options.num_tokens, width, options.start_scale, options.seed)


def _looks(args: Any, options: Options, image_ids: np.ndarray, unet: Any, device: torch.device) -> np.ndarray:
    real = shards.read(args.images, "images")
    if real["image_ids"].tolist() != image_ids.tolist():
        raise ValueError(f"{args.moments}: must be of the images of {args.images}, in their order")
    looks = captions.looks(real["images"], options.class_name)
    return _embedded(args, options, looks, len(image_ids), device)


def _prompt(args: Any, options: Options, image_ids: np.ndarray, unet: Any, device: torch.device) -> np.ndarray:
    return _embedded(args, options, prompting.of_class(args.templates, options.class_name)[:1], len(image_ids), device)


def _embedded(args: Any, options: Options, prompts: list[str], n: int, device: torch.device) -> np.ndarray:
    embedded = prompting.embed(args.base_model, prompts, device)[:, : options.num_tokens].cpu().numpy()
    return np.broadcast_to(embedded, (n, *embedded.shape[1:]))


# Where embeddings start, float32 (n, tokens, width). A study's digest of this code holds the start that it has.
STARTS = {"random": _random, "looks": _looks, "prompt": _prompt}


if __name__ == "__main__":
    steps.run(main)
