"""What the project's own loops are held against: diffusers' pipeline, and stage 1 as a plain loop."""

from pathlib import Path

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)

SCHEDULERS = {
    "pndm": PNDMScheduler,
    "ddim": DDIMScheduler,
    "dpmsolver++": DPMSolverMultistepScheduler,
    "unipc": UniPCMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "lcm": LCMScheduler,
}


def diffusers_pipeline(folder: Path, scheduler: str | None = None) -> StableDiffusionPipeline:
    """The published folder as diffusers loads it, in float32, with its own sampler or another of its schedule.

    The pipeline itself mends what old configs of schedulers lack (clip_sample, steps_offset), if it is given them.
    """
    chosen = {"scheduler": SCHEDULERS[scheduler].from_pretrained(folder / "scheduler")} if scheduler else {}
    unsafe = {"safety_checker": None, "requires_safety_checker": False}
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, torch_dtype=torch.float32, **unsafe, **chosen
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def invert_one(
    pipeline: StableDiffusionPipeline,
    mean: torch.Tensor,
    std: torch.Tensor,
    start: torch.Tensor,
    draws: list[tuple[int, torch.Tensor, torch.Tensor]],
    lr: float,
    weight_decay: float,
) -> torch.Tensor:
    """Stage 1 for one image, as a user of diffusers would write it: (tokens, width) after a visit for each draw.

    mean, std: the posterior's moments (c, h, w), not scaled. A draw is a timestep, and normal numbers (c, h, w) for
    the posterior and for the noise.
    """
    embedding = start.clone().requires_grad_()
    optimiser = torch.optim.AdamW([embedding], lr=lr, weight_decay=weight_decay)
    schedule = DDIMScheduler.from_config(pipeline.scheduler.config)
    for timestep, posterior, noise in draws:
        t = torch.tensor([timestep])
        latents = (mean + std * posterior)[None] * pipeline.vae.config.scaling_factor
        noised = schedule.add_noise(latents, noise[None], t)
        wanted = noise[None]
        if schedule.config.prediction_type == "v_prediction":
            wanted = schedule.get_velocity(latents, noise[None], t)
        predicted = pipeline.unet(noised, t, encoder_hidden_states=embedding[None]).sample
        loss = torch.nn.functional.mse_loss(predicted, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return embedding.detach()
