"""What a step of inversion draws on the host, measured without any device: the numbers of one batch of images.

At 128 px the latents are (4, 16, 16). A GPU takes some 100 ms for a step of 256 images, so 10 ms of the host, in a
thread beside the one that launches, hold nothing up.
"""

import time

import numpy as np
import torch

from realgap.diffusion import inversion

BATCHES = (50, 256)
CHANNELS, SIDE = 4, 16
VISITS = 60  # of a part of 3,000 visits


def measure(rounds: int) -> list[dict]:
    """A row for each batch and law of timesteps: CPU milliseconds of a step, the median of rounds and their range."""
    rows = []
    for batch in BATCHES:
        for timesteps in ("uniform", "stratified"):
            measured_ms = sorted(_step_ms(batch, timesteps) for _ in range(rounds))
            low, median, high = measured_ms[0], measured_ms[len(measured_ms) // 2], measured_ms[-1]
            rows.append({"batch": batch, "timesteps": timesteps, "cpu_ms": median, "low": low, "high": high})
            print(f"  {rows[-1]}", flush=True)
    return rows


def _step_ms(batch: int, timesteps: str) -> float:
    """CPU milliseconds of this thread for a visit of each image, over a part of a run."""
    moments = np.zeros((batch, CHANNELS, SIDE, SIDE), np.float32)
    schedule = torch.linspace(0.999, 0.001, 1000)
    drawing = inversion.Batch(
        moments, moments, np.arange(batch), schedule, 1.0, "epsilon", seed=0, device=torch.device("cpu")
    )
    begin = time.thread_time()
    for visit in range(VISITS):
        drawing.draw(visit, timesteps)
    return 1000 * (time.thread_time() - begin) / VISITS
