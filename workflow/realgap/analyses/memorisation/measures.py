"""Does a generated image repeat one that it was made from? And does a classifier give away what it saw?

An inverted embedding describes one training image, so copies are to be expected, not excluded. Held-out real
images say how close an independent image comes by chance: every number here is read against them.
"""

from typing import NamedTuple

import numpy as np

from realgap.analyses.fidelity.distances import nearest
from realgap.statistics import auc, bootstrap_interval, share_interval
from realgap.statistics.areas import mean_auc
from realgap.streams import stream


class Audit(NamedTuple):
    """Nearest real images of n generated ones; distances in feature units."""

    train_distance: np.ndarray  # (n,) to the nearest training image
    train_index: np.ndarray  # (n,) which one
    ratio: np.ndarray  # (n,) to the nearest training image over to the nearest held-out one, of equally many
    near_copy: np.ndarray  # (n,) bool, closer than `threshold` to a training image
    threshold: float  # near_copy_quantile of held_out_distance
    held_out_distance: np.ndarray  # (n_held_out,) of held-out images to their nearest training image


def audit(
    generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, seed: int, near_copy_quantile: float = 0.01
) -> Audit:
    """Nearest-neighbour audit of features (n, d) of generated, training and held-out real images.

    Without memorisation a share `near_copy_quantile` of generated images are near copies, the ratio has median 1, and
    train_distance is like held_out_distance. The ratio needs pools of one size, since the nearest of more
    images is nearer: the larger pool is cut to the smaller at random by `seed` (and a training pool cut
    down hides some of what was copied). Features decide what a copy is: by pixels, an exact one only.
    """
    if not 0 < near_copy_quantile < 1:
        raise ValueError(f"near_copy_quantile: must be between 0 and 1, got {near_copy_quantile}")
    train_distance, train_index = nearest(generated, train)
    held_out_distance, _ = nearest(held_out, train)
    threshold = float(np.quantile(held_out_distance, near_copy_quantile))
    size, rng = min(len(train), len(held_out)), stream(seed, "memorisation pools")
    pools = (pool[rng.choice(len(pool), size, replace=False)] for pool in (train, held_out))
    to_train, to_held_out = (nearest(generated, pool)[0] for pool in pools)
    return Audit(
        train_distance,
        train_index,
        _ratio(to_train, to_held_out),
        train_distance < threshold,
        threshold,
        held_out_distance,
    )


def near_copies(result: Audit, confidence: float = 0.95) -> tuple[float, float, float]:
    """Share of near copies with its Wilson interval: (share, low, high); read it against `near_copy_quantile`.

    Variants of one embedding are not independent, so the interval is too narrow where each has several.
    """
    return share_interval(int(result.near_copy.sum()), len(result.near_copy), confidence)


def copying(result: Audit, seed: int, resamples: int = 1000) -> tuple[float, float, float]:
    """Chance that a generated image is nearer to the training images than a held-out one is, with interval.

    0.5: no copying; 1: every generated image is nearer. Below 0.5 the generated images are farther than
    real ones, as those of a poor model are. Source: Meehan et al. 2020, arXiv 2004.05675.
    """
    sides = -result.train_distance, -result.held_out_distance
    return bootstrap_interval(sides, auc, seed, resamples)


def closest_pairs(result: Audit, count: int) -> np.ndarray:
    """Rows (generated index, training index), (count, 2) int64, closest first, one for each training image.

    One training image often has many variants near it; only its closest is listed.
    """
    order = np.argsort(result.train_distance, kind="stable")
    _, first = np.unique(result.train_index[order], return_index=True)
    rows = order[np.sort(first)][:count]
    return np.stack([rows, result.train_index[rows]], axis=1)


class Membership(NamedTuple):
    """How well a threshold on the loss tells training images from held-out ones."""

    auc: float  # 0.5: not at all
    low: float
    high: float
    hits_at_low_false_alarms: float  # share of members found when `false_alarms` of non-members are accused


def membership_inference(
    member_losses: np.ndarray, non_member_losses: np.ndarray, false_alarms: float = 0.01
) -> Membership:
    """Membership inference by loss: losses (n,) of training images against (m,) held-out ones, intervals over images.

    Both are cross-entropies of one classifier without augmentation. A bound from below: stronger attacks
    exist. An AUC near 0.5 may hide a few images that are found for certain, hence the hits.
    Source: Yeom et al. 2018, arXiv 1709.01604; Carlini et al. 2022, arXiv 2112.03570, for the latter.
    """
    member_losses, non_member_losses = np.asarray(member_losses), np.asarray(non_member_losses)
    interval = mean_auc(-member_losses, -non_member_losses)
    accused = np.sort(non_member_losses)[int(false_alarms * len(non_member_losses))]
    return Membership(*interval, float((member_losses < accused).mean()))


def _ratio(to_train: np.ndarray, to_held_out: np.ndarray) -> np.ndarray:
    """0 for an exact copy of a training image, infinite for one of a held-out image, 1 for one of both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(to_train == to_held_out, 1.0, to_train / to_held_out)
