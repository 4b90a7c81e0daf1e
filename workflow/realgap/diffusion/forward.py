"""The forward process: a clean latent noised as of a timestep, and what the denoiser should predict from it."""

import torch


def noised(
    latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor, alphas_cumprod: torch.Tensor, prediction_type: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noised latents and the target, each (n, c, h, w) as latents (scaled) and noise are; t: int64 (n,).

    prediction_type: "epsilon", the noise, or "v_prediction" (Salimans & Ho 2022, arXiv 2202.00512).
    """
    signal = alphas_cumprod[t].sqrt().view(-1, 1, 1, 1)
    sigma = (1 - alphas_cumprod[t]).sqrt().view(-1, 1, 1, 1)
    target = noise if prediction_type == "epsilon" else signal * noise - sigma * latents
    return signal * latents + sigma * noise, target
