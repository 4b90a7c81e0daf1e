"""Made-up studies whose truth is known: classifiers, units and test images that scatter as measured ones do.

A classifier of row r and unit u is right about image t where
row + unit + (row x unit) + image + (row x image) + noise > 0, all normal (a probit model), so the true accuracy
of a row is Phi(row / root of the sum of variances). Deviations are in units of the noise; around 90 % accuracy
0.1 of them is about 1.5 points.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class World:
    """What scatters, and how much. Rows share what units and images do to all of them."""

    accuracies: tuple[float, ...]  # true, one for each row
    row_by_unit: tuple[float, ...]  # deviation of each row's own scatter over units
    images: int = 800
    unit: float = 0.1
    image: float = 1.0
    row_by_image: float = 0.3

    def correct(self, rng: np.random.Generator, n_units: int) -> np.ndarray:
        """One study, (rows, units, images) bool."""
        rows, own = len(self.accuracies), np.array(self.row_by_unit)[:, None]
        total = np.sqrt(1 + self.unit**2 + own[:, 0] ** 2 + self.image**2 + self.row_by_image**2)
        by_unit = self.unit * rng.standard_normal(n_units) + own * rng.standard_normal((rows, n_units))
        by_image = self.image * rng.standard_normal(self.images)
        by_image = by_image + self.row_by_image * rng.standard_normal((rows, self.images))
        latent = (stats.norm.ppf(self.accuracies) * total)[:, None, None] + by_unit[:, :, None] + by_image[:, None]
        return rng.standard_normal(latent.shape, dtype=np.float32) < latent


def alike(rows: int = 6, accuracy: float = 0.9, scatter: float = 0.1, **changes) -> World:
    """Rows without any difference between them."""
    return World((accuracy,) * rows, (scatter,) * rows, **changes)


def confused(rng: np.random.Generator, n_units: int, classes: int = 10, images: int = 85, wrong: float = 0.1) -> tuple:
    """Labels (n,) and predictions (2, units, n) of two rows that err alike: each image has its own likely mistakes."""
    labels = np.repeat(np.arange(classes), images)
    tempting = (labels + rng.integers(1, classes, len(labels))) % classes
    hard = rng.beta(0.3, 0.3 * (1 - wrong) / wrong, len(labels))
    chance = np.clip(hard * np.exp(0.3 * rng.standard_normal((2, n_units, 1))), 0, 1)
    mistaken = rng.random((2, n_units, len(labels))) < chance
    elsewhere = (labels + rng.integers(1, classes, mistaken.shape)) % classes
    named = np.where(rng.random(mistaken.shape) < 0.8, tempting, elsewhere)
    return labels, np.where(mistaken, named, labels)
