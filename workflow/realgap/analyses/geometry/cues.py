"""Can a classifier that sees only derived geometry tell real images from generated ones?

The published protocol (Sarkar et al. 2024, arXiv 2311.17138): images are prequalified by a classifier of
pixels, then each cue is judged by its AUC within easy, unconfident and misclassified images. All scores are
cross-fitted: an image is scored by a classifier that has seen neither it nor its group.
"""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold

from realgap.statistics import auc, bootstrap_interval
from realgap.study.limits import CUE_FOLDS

GROUPS = ("easy", "unconfident", "misclassified")
EPOCHS = 25
BATCH = 64
LEARNING_RATE = 2e-3


def crossfitted_scores(
    cue: str,
    features: np.ndarray,
    generated: np.ndarray,
    groups: np.ndarray | None = None,
    seed: int = 0,
    folds: int = CUE_FOLDS,
) -> np.ndarray:
    """Score of being generated in [0, 1] for each item, (N,) float64, from a classifier not fitted on it.

    cue: "segments" | "structure" | "field" | "pixels"; features (N, ...) float32 of that cue; generated (N,)
    bool; groups (N,): items of one group (a real image and what was made from it) share a fold.
    ValueError if a class has fewer items or groups than folds.
    """
    generated = np.asarray(generated, bool)
    groups = np.arange(len(generated)) if groups is None else np.asarray(groups)
    fewest = min(len(np.unique(groups[generated == side])) for side in (False, True))
    if cue not in CUES or fewest < folds:
        raise ValueError(f"cue {cue!r}: must be of {list(CUES)} with {folds} groups per class, got {fewest}")
    scores = np.full(len(generated), np.nan)
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(features, generated, groups)
    for fold, (fit, held_out) in enumerate(splits):
        predict = CUES[cue](features[fit], generated[fit], 1000 * seed + fold)
        scores[held_out] = predict(features[held_out])
    return scores


def prequalify(scores: np.ndarray, generated: np.ndarray, confidence: float = 0.8) -> np.ndarray:
    """Group of each image, (N,) str, by its cross-fitted pixel score: "unconfident" if the likelier class has
    less than `confidence`, else "easy" if that class is right and "misclassified" if not."""
    scores, generated = np.asarray(scores), np.asarray(generated, bool)
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence: must be in [0.5, 1), got {confidence}")
    right = (scores > 0.5) == generated
    sure = np.maximum(scores, 1 - scores) >= confidence
    return np.where(sure, np.where(right, "easy", "misclassified"), "unconfident")


def auc_interval(scores: np.ndarray, generated: np.ndarray, seed: int, resamples: int = 1000) -> tuple:
    """AUC with a 95 % bootstrap interval over images, drawn within each class: (auc, low, high).

    nan where a class has fewer than two images, as in a group that prequalification leaves empty.
    """
    positive, negative = scores[generated], scores[~generated]
    if min(len(positive), len(negative)) < 2:
        return (float("nan"),) * 3
    return bootstrap_interval((positive, negative), auc, seed, resamples)


def _boosting(features: np.ndarray, generated: np.ndarray, seed: int) -> Callable:
    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, max_depth=4, random_state=seed)
    model.fit(features, generated)
    return lambda items: model.predict_proba(items)[:, 1]


def _network(build: Callable, features: np.ndarray, generated: np.ndarray, seed: int) -> Callable:
    """Fit the torch module `build()` on (N, ...) features by AdamW and cross-entropy; returns predict."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # inside the fork: initial weights and dropout of this network only
        model = build()
        optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
        items, labels = torch.from_numpy(features), torch.from_numpy(generated.astype(np.float32))
        order = torch.Generator().manual_seed(seed)
        steps = EPOCHS * -(-len(items) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(items), generator=order).split(BATCH):
                loss = torch.nn.functional.binary_cross_entropy_with_logits(model(items[batch]), labels[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    model.eval()

    @torch.no_grad()
    def predict(items):
        return np.concatenate([model(part).sigmoid().numpy() for part in torch.from_numpy(items).split(256)])

    return predict


def _pointnet(features: np.ndarray, generated: np.ndarray, seed: int) -> Callable:
    """A small PointNet (Qi et al. 2017): one network for each segment, the maximum over segments, a verdict.
    Only present segments take part, and each is seen in a form that does not depend on its end's order."""
    import torch
    from torch import nn

    class PointNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.each = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU())
            self.verdict = nn.Sequential(nn.Linear(257, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1))

        def forward(self, segments):
            share = segments[..., 4].mean(1, keepdim=True)
            segments = segments[:, : max(1, int(segments[..., 4].sum(1).max()))]  # the rest is padding
            start, end, there = segments[..., :2], segments[..., 2:4], segments[..., 4:]
            way = end - start
            length = way.norm(dim=-1, keepdim=True).clamp_min(1e-6)
            x, y = (way / length).unbind(-1)
            form = [(start + end) / 2, length, torch.stack([x * x - y * y, 2 * x * y], -1), there]
            points = self.each(torch.cat(form, -1)) * there
            pooled = [points.amax(1), points.sum(1) / there.sum(1).clamp_min(1), share]
            return self.verdict(torch.cat(pooled, -1))[:, 0]

    return _network(PointNet, features, generated, seed)


def _convolutional(features: np.ndarray, generated: np.ndarray, seed: int) -> Callable:
    from torch import nn

    def build():
        widths = [features.shape[1], 16, 32, 64]
        layers = []
        for narrow, wide in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.GroupNorm(4, wide), nn.ReLU()]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, *head, nn.Dropout(0.3), nn.Linear(widths[-1], 1), nn.Flatten(0))

    return _network(build, features, generated, seed)


CUES = {"segments": _pointnet, "structure": _boosting, "field": _convolutional, "pixels": _convolutional}
