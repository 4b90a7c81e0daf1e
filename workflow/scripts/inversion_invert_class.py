"""Invert all real images of a class into one conditioning embedding that they share (textual inversion)."""

from dataclasses import asdict, dataclass

import numpy as np

from realgap import devices
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.diffusion import class_inversion
from realgap.run import steps
from realgap.store import checkpoints, naming, provenance, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    class_name: str
    num_tokens: int
    steps: int
    images_per_step: int
    lr: float
    weight_decay: float
    seed: int


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, moments={"nargs": "+"}, base_model=steps.BASE_MODEL, templates={}, out={}
    )
    device = devices.pick(options)
    opened = shards.read_all(args.moments, "moments")
    mean, std, image_ids = (np.concatenate([one[name] for one in opened]) for name in ("mean", "std", "image_ids"))
    unet = denoiser.load(args.base_model, device, devices.pick_dtype(options.precision, device))
    devices.arrange(unet, options, device)
    alphas_cumprod, prediction_type = schedules.noise(args.base_model)
    inputs = {"moments": shards.joint(one.attributes["checksum"] for one in opened)}
    made = {"step": "invert_class", "options": asdict(options), "inputs": inputs}
    made |= naming.carried(*(one.attributes for one in opened))
    checkpoint = checkpoints.Checkpoint(args.out, made)
    state = checkpoint.load(class_inversion.State)
    if state is None:
        prompt = prompting.of_class(args.templates, options.class_name)[:1]
        embedded = prompting.embed(args.base_model, prompt, device)[0, : options.num_tokens].cpu().numpy()
        state = class_inversion.begin(embedded)
    run = class_inversion.invert(
        state,
        mean,
        std,
        image_ids,
        denoiser.predictor(unet),
        alphas_cumprod,
        prediction_type=prediction_type,
        scaling_factor=autoencoder.scaling_factor(args.base_model),
        steps=options.steps,
        images_per_step=options.images_per_step,
        lr=options.lr,
        weight_decay=options.weight_decay,
        seed=options.seed,
        device=device,
    )
    current = None
    for current in steps.progress(run, options.steps - len(state.losses), "inverting"):
        checkpoint.offer(current)
    state = current() if current else state
    if not np.isfinite(state.embedding).all():
        raise ValueError(f"class_inversion.lr: must be lower, got {options.lr}: NaN or infinity arose")
    label = opened[0]["labels"][:1]
    arrays = {
        "embeddings": state.embedding,
        "losses": state.losses[None],
        "visits": np.array([options.steps * min(options.images_per_step, len(image_ids))], np.int32),
        "labels": label,
        "image_ids": label,  # of no image: it is its class's
    }
    versions = provenance.versions("torch", "diffusers")
    shards.write(args.out, "embeddings", arrays, {**made, "failed": [], "versions": versions})
    checkpoint.remove()


if __name__ == "__main__":
    steps.run(main)
