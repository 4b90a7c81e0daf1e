"""Teach the encoder of an amortised inversion, which predicts embeddings, on all real images of the study."""

import sys
from dataclasses import asdict, dataclass

import numpy as np

from realgap import devices
from realgap.base_model import autoencoder, denoiser, prompting, schedules
from realgap.diffusion import encoder
from realgap.run import steps
from realgap.store import checkpoints, naming, provenance, shards


@dataclass(frozen=True)
class Options(devices.Compute):
    classes: dict[str, int]  # name -> label
    words: dict[str, str]  # name -> what prompts call it
    num_tokens: int
    rounds: int  # gradient steps of each image
    batch_size: int
    seed: int


def main() -> None:
    args, options = steps.parse(
        __doc__, Options, moments={"nargs": "+"}, base_model=steps.BASE_MODEL, templates={}, out={}
    )
    opened = shards.read_all(args.moments, "moments")
    mean, std, labels, ids = (np.concatenate([one[name] for one in opened]) for name in NAMES)
    own = zip(args.moments, (one.attributes for one in opened), strict=True)
    label_of = naming.joint({"the study": {naming.KEY: options.classes}, **dict(own)})
    made = {"step": "teach", "options": asdict(options)}
    made |= {"inputs": {"moments": shards.joint(one.attributes["checksum"] for one in opened)}}
    checkpoint = checkpoints.Checkpoint(args.out, made)
    device = devices.pick(options)
    prompts = [prompting.of_class(args.templates, options.words[name])[0] for name in label_of]
    embedded = prompting.embed(args.base_model, prompts, device)[:, : options.num_tokens].cpu().numpy()
    network = encoder.begin(mean[np.argsort(ids, kind="stable")], embedded, options.seed)
    unet = denoiser.load(args.base_model, device, devices.pick_dtype(options.precision, device))
    devices.arrange(unet, options, device)
    alphas_cumprod, prediction_type = schedules.noise(args.base_model)
    before = checkpoint.load(encoder.State)
    run = encoder.teach(
        network,
        mean,
        std,
        ids,
        naming.positions(labels, list(label_of.values())),
        denoiser.predictor(unet),
        alphas_cumprod,
        rounds=options.rounds,
        batch_size=options.batch_size,
        prediction_type=prediction_type,
        scaling_factor=autoencoder.scaling_factor(args.base_model),
        seed=options.seed,
        device=device,
        state=before,
    )
    state = before
    for state in steps.progress(run, options.rounds - (0 if before is None else len(before.losses)), "teaching"):
        checkpoint.offer(lambda current=state: current)
    packed = encoder.pack(network)
    if not np.isfinite(packed).all():
        raise ValueError("inversion.encoder_steps: must end in numbers; NaN or infinity arose in the encoder")
    print(f"{len(ids)} images: loss {state.losses[0]:.4f}, at the end {state.losses[-1]:.4f}", file=sys.stderr)
    made |= {"classes": label_of, "numbers": mean[0].size, "prompts": list(embedded.shape), "images": len(ids)}
    made |= {"losses": [round(float(loss), 5) for loss in state.losses]}
    versions = provenance.versions("torch", "diffusers")
    shards.write(args.out, "encoder", {"weights": packed}, {**made, "versions": versions})
    checkpoint.remove()


NAMES = ("mean", "std", "labels", "image_ids")


if __name__ == "__main__":
    steps.run(main)
