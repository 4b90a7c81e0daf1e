"""What makes a generated image worth keeping: numbers of which more is better, REFUSED for one that may not stay.

Judges are classifiers that have never seen the real image that a candidate was made of (realgap.selection.folds).
"""

import numpy as np
from scipy import special

REFUSED = -np.inf

# What criterion `geometry` looks at, of realgap.analyses.geometry.measures; of each more is worse. Straightness of
# edges is left out: it refuses sound scenes as often as broken ones (workflow/docs/feedback.md).
MEASURES = ("unexplained_share", "off_square_deg")
FEWEST_REAL = 3  # maps of real images that a spread can be taken of


def utility(logits: np.ndarray, targets: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Entropy of predictions as a share of its most, float64 (n,): 1 to 2 within the band, below 0 beside it.

    logits: (n, classes); targets: int64 (n,), positions of the labels among them. An image whose label is not
    predicted is REFUSED: a high entropy alone selects wrong labels.
    """
    share = entropy_share(logits)
    low, high = band
    beside = -np.maximum(low - share, share - high)
    scores = np.where((share >= low) & (share <= high), 1 + share, beside)
    return np.where(logits.argmax(axis=1) == targets, scores, REFUSED)


def entropy_share(logits: np.ndarray) -> np.ndarray:
    """Entropy of predictions as a share of the most there can be, float64 (n,); logits: (n, classes)."""
    likely = special.softmax(np.asarray(logits, np.float64), axis=1)
    return special.entr(likely).sum(axis=1) / np.log(logits.shape[1])


def attention(
    focus: np.ndarray, maps: np.ndarray, correct: np.ndarray, real_focus: np.ndarray, real_maps: np.ndarray
) -> np.ndarray:
    """Minus the distance of each image's map to those of real images of its class, float64 (n,).

    focus: (n, metrics) of maps (n, h, w) >= 0 for the true label; correct: bool (n,); real_focus and real_maps likewise
    of m real images that their judge gets right. The distance is the mean of two, each 1 for a real image in the mean:
    that of the metrics in standard deviations of the real ones, and the total variation between the map, as shares, and
    the mean of the real ones. An image that is not predicted as its label, or with an empty map, is REFUSED.
    """
    if len(real_maps) < FEWEST_REAL:
        return np.full(len(maps), REFUSED)
    middle, deviation = np.nanmean(real_focus, axis=0), np.nanstd(real_focus, axis=0)
    real_shares = _shares(real_maps)
    mean_shares = np.nanmean(real_shares, axis=0)

    def distance(metrics: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        off = np.abs(metrics - middle) / np.where(deviation > 0, deviation, np.inf)
        return off.mean(axis=1), np.abs(shares - mean_shares).sum(axis=(1, 2)) / 2

    usual = [np.nanmean(one) for one in distance(real_focus, real_shares)]
    own = distance(focus, _shares(maps))
    scores = -np.mean([one / max(mean, 1e-9) for one, mean in zip(own, usual, strict=True)], axis=0)
    return np.where(correct & np.isfinite(scores), scores, REFUSED)


def geometry(measures: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """0 for an image within all bounds, else REFUSED, float64 (n,).

    measures: (n, k), nan where an image has none; bounds: (k,). Of each of MEASURES more is worse.
    """
    return np.where((measures > bounds).any(axis=1), REFUSED, 0.0)


def bounds(controls: np.ndarray, quantile: float) -> np.ndarray:
    """The highest quantile of each measure over groups of harmless images (g, m, k), nan left out, float64 (k,)."""
    return np.nanquantile(controls, quantile, axis=1).max(axis=0)


def typicality(features: np.ndarray, real_features: np.ndarray) -> np.ndarray:
    """Minus the distance of features (n, d) from the mean of real ones of the class (m, d), float64 (n,)."""
    return -np.linalg.norm(features.astype(np.float64) - real_features.mean(axis=0, dtype=np.float64), axis=1)


def _shares(maps: np.ndarray) -> np.ndarray:
    """Maps (n, h, w) as shares of their sum; nan where a map is empty."""
    total = maps.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    return np.divide(maps, total, out=np.full(maps.shape, np.nan), where=total > 0)
