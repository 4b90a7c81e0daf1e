"""The noise schedule of a base model, for inversion, and a sampler with that schedule."""

from pathlib import Path
from typing import Any

import torch

from realgap.base_model import families
from realgap.base_model.samplers import SAMPLERS


def noise(folder: str | Path) -> tuple[torch.Tensor, str]:
    """Cumulative alphas, float32 (num_train_timesteps,), and what the UNet predicts: "epsilon" or "v_prediction"."""
    scheduler = _made(folder, "DDPMScheduler", {})
    kind = scheduler.config.prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise ValueError(f"{folder}/scheduler: prediction_type must be epsilon or v_prediction, got {kind}")
    return scheduler.alphas_cumprod, kind


def sampler(folder: str | Path, name: str) -> Any:
    """A sampling scheduler, one of SAMPLERS, with the base model's noise schedule."""
    own = SAMPLERS[name]
    return _made(folder, own.kind, dict(own.settings))


def inverse(folder: str | Path) -> Any:
    """A scheduler that goes from latents to the noise they come from, with the base model's noise schedule."""
    spacing = _scheduler_config(folder).get("timestep_spacing")
    known = {"timestep_spacing": "trailing"} if spacing == "linspace" else {}  # which it does not know
    return _made(folder, "DDIMInverseScheduler", {"clip_sample": False, **known})


def _made(folder: str | Path, kind: str, settings: dict[str, Any]) -> Any:
    config = _scheduler_config(folder)
    try:
        return families.library_class(kind).from_config(config, **settings)
    except Exception as error:  # libraries raise whatever comes of an odd config
        raise ValueError(f"{folder}/scheduler: could not be read as {kind}: {' '.join(str(error).split())}") from error


def _scheduler_config(folder: str | Path) -> dict[str, Any]:
    families.require(folder, "scheduler")
    try:
        library = families.library_class("DDPMScheduler")
        config = dict(library.load_config(Path(folder) / "scheduler", local_files_only=True))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}/scheduler: could not be read: {str(error).splitlines()[0]}") from error
    if not {"beta_schedule", "trained_betas"} & set(config):  # flow matching, for one, has none
        raise ValueError(f"{folder}/scheduler: must have a schedule of betas, got {config.get('_class_name')}")
    return config
