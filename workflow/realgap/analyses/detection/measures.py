"""How well a small classifier tells generated images from real ones: the gap that is left, as one number.

0.5 is no gap that this classifier can see. It says that there is one, not what it is: a VAE's blur or
resampling alone is told from real images, so the same number for VAE-only and resampled real images belongs
beside it.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from realgap.classifier import networks, training
from realgap.statistics import areas
from realgap.streams import stream

# (training items, 1 = generated (n,), test items, seed) -> scores of the test items, higher = generated
Detector = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def out_of_fold_ranks(
    real: np.ndarray,
    generated: np.ndarray,
    detector: Detector,
    seed: int,
    groups: np.ndarray | None = None,
    folds: int = 5,
) -> tuple[np.ndarray, np.ndarray]:
    """Each item's rank among the scores of its own fold, cross-validated, in [0, 1]: (n,) and (m,).

    Ranks, since scores of two fits don't compare. Their AUC is that of the detector.
    real, generated: items (n, ...), (m, ...) as the detector takes them, of the same mixture of classes,
    or it tells classes apart. groups: (n + m,) int, real ones first, the source that an item was made from;
    items of one source are never in training and test at once, else a detector that knows a source by heart
    passes for one that sees a gap. Default: every item by itself. ValueError if they are not one per item.
    """
    if groups is None:
        groups = np.arange(len(real) + len(generated))
    elif len(groups) != len(real) + len(generated):
        raise ValueError(f"groups: must be one per item, {len(real) + len(generated)}, got {len(groups)}")
    items = np.concatenate([real, generated])
    is_generated = np.repeat([0, 1], [len(real), len(generated)])
    shuffle = int(stream(seed, "detector folds").integers(2**32))
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=shuffle).split(items, is_generated, groups)
    ranks = np.empty(len(items))
    for fold, (train, test) in enumerate(splits):
        fit_seed = int(stream(seed, "detector", fold).integers(2**32))
        scores = detector(items[train], is_generated[train], items[test], fit_seed)
        ranks[test] = rankdata(scores) / len(test)
    return ranks[: len(real)], ranks[len(real) :]


def beyond(
    own: np.ndarray, of_real: np.ndarray, control: np.ndarray, real_of_control: np.ndarray, folds: int
) -> tuple[float, float, float]:
    """AUC of a set minus that of the control, from `out_of_fold_ranks` of both: (difference, low, high), 95 %.

    The interval holds the choice of the images and of the fits: folds share most of what they are fitted on, which adds
    to the variance over images as much as it is times folds / (folds - 1), rather more than was seen in simulations.
    Source: Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003).
    """
    found = areas.difference(own, of_real, control, real_of_control, paired=False)
    half = NORMAL * found.standard_error * (1 + folds / (folds - 1)) ** 0.5
    return found.value, found.value - half, found.value + half


NORMAL = 1.959964  # two-sided 95 %


def on_features(train: np.ndarray, is_generated: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Logistic regression on standardised features (n, d); `seed` is not needed."""
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    return model.fit(train, is_generated).decision_function(test)


def on_pixels(
    train: np.ndarray,
    is_generated: np.ndarray,
    test: np.ndarray,
    seed: int,
    steps: int = 150,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Three convolutional layers on images, uint8 (n, h, w, 3): they see texture more than content."""
    model = networks.initialise(_network(), seed)
    parts = [(train[is_generated == side], np.full((is_generated == side).sum(), side)) for side in (0, 1)]
    where = torch.device(device)
    settings = training.Settings(
        steps=steps,
        batch_size=64,
        lr=0.05,
        warmup=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        label_smoothing=0.0,
        crop_padding=0,
        horizontal_flip=False,
    )
    run = training.train(model, parts, [0.5, 0.5], settings, seed=seed, device=where, dtype=torch.float32)
    for _loss in run:
        pass
    logits = training.predict(model, test, batch_size=512, device=where, dtype=torch.float32)
    return logits[:, 1] - logits[:, 0]


def _network() -> nn.Module:
    def block(channels_in: int, channels: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(channels), nn.ReLU()]

    layers = [*block(3, 16, 1), *block(16, 32, 2), *block(32, 64, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
