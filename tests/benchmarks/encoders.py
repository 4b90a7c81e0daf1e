"""Encoders for an amortised inversion, the workflow's and one that it does not have, on the digits study."""

from functools import cache

import numpy as np
import torch
from torch import nn

from realgap.base_model import denoiser
from realgap.diffusion import encoder, inversion
from tests.benchmarks import study
from tests.benchmarks.subjects import digits

CPU = torch.device("cpu")
BATCH = 50
RATE = 1e-3  # of Adam; falls to zero by a half cosine


def of_digits(per_class: int, there: int, classifier: str) -> study.Study:
    """The default study's, on images of its own; `others` are the rest of so many of each class, and 60 more test."""
    others, test = digits(there - per_class, start=per_class), digits(per_class=60, start=there)
    return study.Study(study._config(), digits(per_class), others, test, classifier)


def start(of: study.Study, arm) -> np.ndarray:
    """Where the images of a study start, float32 (n, tokens, width)."""
    if arm.published:
        return of.start("random", of.images)
    if arm.taught:
        return taught(of, arm.taught, arm.hidden)
    return fitted(of, arm.first, arm.first_steps, arm.first_lr) if arm.first else of.start("prompt", of.images)


def invert(of: study.Study, images: study.Images, start: np.ndarray, arm) -> np.ndarray:
    """Embeddings after the arm's steps."""
    if not arm.steps:
        return start
    how = ("uniform", "constant") if arm.published else ("stratified", "cosine")
    return of.invert(images, start, how[0], None, lr=arm.lr, lr_schedule=how[1], visits=arm.steps).result()


@cache
def fitted(of: study.Study, first: int, steps: int, lr: float) -> np.ndarray:
    """By the ridge regression of the workflow, to so many other images of each class."""
    chosen = {name: array[_first(of.others["labels"], first)] for name, array in of.others.items()}
    begun = of.start("prompt", chosen)
    found = of.invert(chosen, begun, "stratified", None, lr=lr, lr_schedule="cosine", visits=steps).result()
    one = encoder.fit(of.moments(chosen)[0], chosen["labels"], found)
    print(f"explains {one.explained:.1%} in images left out", flush=True)
    return encoder.predict(one.encoder, of.moments(of.images)[0], of.images["labels"])


@cache
def taught(of: study.Study, epochs: int, hidden: int) -> np.ndarray:
    """By a network, added to the class prompts, that has taken a gradient step on each image's loss in each epoch."""
    both = {name: np.concatenate([of.images[name], of.others[name]]) for name in of.images}
    mean, std = of.moments(both)
    seen = _seen(mean, both["labels"], len(of.labels))
    torch.manual_seed(0)
    prompts = torch.from_numpy(of.prompts[both["labels"]])
    network = _network(seen.shape[1], hidden, prompts[0].numel())
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    random, predict = np.random.default_rng(0), denoiser.predictor(of.unet)
    steps = epochs * -(-len(mean) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(epochs):
        for rows in np.array_split(random.permutation(len(mean)), -(-len(mean) // BATCH)):
            about = of.alphas_cumprod, of.scaling_factor, of.prediction_type, 0, CPU
            batch = inversion._Batch(mean[rows], std[rows], both["image_ids"][rows], *about)
            latents, target, t = batch.noised(*batch.draw(epoch, "stratified"))
            embeddings = prompts[rows] + network(seen[rows]).view(len(rows), *prompts.shape[1:])
            loss = (predict(latents, t, embeddings) - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        n = len(of.images["labels"])
        return (prompts[:n] + network(seen[:n]).view(n, *prompts.shape[1:])).numpy()


def _first(labels: np.ndarray, count: int) -> np.ndarray:
    """Rows of the first images of each class."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)])


def _seen(mean: np.ndarray, labels: np.ndarray, classes: int) -> torch.Tensor:
    latents = mean.reshape(len(mean), -1) - mean.reshape(len(mean), -1).mean(axis=0)
    return torch.from_numpy(np.hstack([latents / latents.std(), np.eye(classes)[labels]]).astype(np.float32))


def _network(numbers: int, hidden: int, out: int) -> nn.Module:
    """Says zero before its first step."""
    last = nn.Linear(hidden or numbers, out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(numbers, hidden), nn.GELU(), last) if hidden else last
