"""The encoder of an amortised inversion, and a regression in its place."""

from functools import cache

import numpy as np
import torch
from sklearn.linear_model import RidgeCV

from realgap.base_model import denoiser
from realgap.diffusion import encoder
from tests.benchmarks import study
from tests.benchmarks.subjects import digits

CPU = torch.device("cpu")


def of_digits(per_class: int, there: int, classifier: str) -> study.Study:
    """The default study's, on images of its own; `others` are the rest of so many of each class, and 60 more test."""
    others, test = digits(there - per_class, start=per_class), digits(per_class=60, start=there)
    return study.Study(study._config(), digits(per_class), others, test, classifier)


def start(of: study.Study, arm) -> np.ndarray:
    """Where the images of a study start, float32 (n, tokens, width)."""
    if arm.published:
        return of.start("random", of.images)
    if arm.taught:
        return taught(of, arm.taught, arm.taught_on)
    return (
        fitted(of, arm.first, arm.first_steps, arm.first_lr)
        if arm.first
        else of.start(of.config["inversion"]["start"], of.images)
    )


def invert(of: study.Study, images: study.Images, start: np.ndarray, arm) -> np.ndarray:
    """Embeddings after the arm's steps."""
    if not arm.steps:
        return start
    how = ("uniform", "constant") if arm.published else ("stratified", "cosine")
    return of.invert(images, start, how[0], None, lr=arm.lr, lr_schedule=how[1], visits=arm.steps).result()


@cache
def fitted(of: study.Study, first: int, steps: int, lr: float) -> np.ndarray:
    """By ridge regression on latents and class to the embeddings of so many other images of each class."""
    chosen = {name: array[first(of.others["labels"], first)] for name, array in of.others.items()}
    begun = of.start("prompt", chosen)
    found = of.invert(chosen, begun, "stratified", None, lr=lr, lr_schedule="cosine", visits=steps).result()
    ridge = RidgeCV(np.logspace(-2, 5, 15)).fit(_seen(of, chosen), found.reshape(len(found), -1))
    return ridge.predict(_seen(of, of.images)).reshape(-1, *found.shape[1:]).astype(np.float32)


@cache
def taught(of: study.Study, rounds: int, per_class: int) -> np.ndarray:
    """By the workflow's encoder, taught on the study's images and on others, so many of each class."""
    both, own = of.images, int(np.bincount(of.images["labels"]).max())
    if per_class > own and of.others is not None:
        rows = first(of.others["labels"], per_class - own)
        both = {name: np.concatenate([of.images[name], of.others[name][rows]]) for name in of.images}
    mean, std = of.moments(both)
    prompts = np.stack([of.prompts[label] for label in range(len(of.labels))])
    network = encoder.begin(mean[np.argsort(both["image_ids"], kind="stable")], prompts, 0)
    about = {"prediction_type": of.prediction_type, "scaling_factor": of.scaling_factor, "seed": 0, "device": CPU}
    given = mean, std, both["image_ids"], both["labels"], denoiser.predictor(of.unet), of.alphas_cumprod
    for _ in encoder.teach(network, *given, rounds=rounds, batch_size=encoder.IMAGES_PER_STEP, **about):
        pass
    n = len(of.images["labels"])
    return encoder.predicted(network, mean[:n], both["labels"][:n])


def first(labels: np.ndarray, count: int) -> np.ndarray:
    """Rows of the first images of each class."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)])


def _seen(of: study.Study, images: study.Images) -> np.ndarray:
    """Latents, whose root mean square is 1, and classes."""
    latents = of.moments(images)[0].reshape(len(images["labels"]), -1)
    everyone = of.moments(of.others)[0].reshape(len(of.others["labels"]), -1)
    scaled = (latents - everyone.mean(axis=0)) / everyone.std()
    return np.hstack([scaled, 10.0 * np.eye(len(of.labels))[images["labels"]]])
