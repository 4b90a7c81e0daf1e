"""The sampling algorithms that a study may name; a new one is an entry here. The config reads it: nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sampler:
    """A class of diffusers, its settings, and what a sample costs."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    calls_per_step: int = 1
    more_calls: int = 0  # of the UNet, beyond calls_per_step for each step
    draws: bool = False  # whether a step adds noise of its own
    most_steps: int = 1000


SAMPLERS = {
    "pndm": Sampler("PNDMScheduler", {"skip_prk_steps": True}, more_calls=1),  # its second step is taken twice
    "ddim": Sampler("DDIMScheduler", {"clip_sample": False}),
    "dpmsolver++": Sampler("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "unipc": Sampler("UniPCMultistepScheduler"),
    "euler": Sampler("EulerDiscreteScheduler"),  # of base models that were distilled into one to four steps
    # latent consistency models, whose steps are some of the 50 that they were distilled from
    "lcm": Sampler("LCMScheduler", draws=True, most_steps=50),
}


def calls(name: str, steps: int) -> int:
    """How often the UNet is asked for one image in `steps` denoising steps."""
    own = SAMPLERS[name]
    return own.calls_per_step * steps + own.more_calls


def guided(call: int, calls: int, interval: Sequence[float]) -> bool:
    """Whether guidance works in one of a sample's calls of the UNet, numbered from the noisiest.

    interval: the shares of the calls between which it works, of 0 (before the noisiest) to 1 (after the last), as in
    Kynkäänniemi et al. 2024 (arXiv 2404.07724), who give noise levels.
    """
    return interval[0] <= (call + 0.5) / calls < interval[1]
