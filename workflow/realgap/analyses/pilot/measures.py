"""What tells from a few images whether a base model fits them: pure functions of images uint8 (n, h, w, 3)."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from realgap.data import images as imaging
from realgap.streams import stream

SEEN_PX = 16  # side at which the simple classifier sees images
PATTERN_PX = 32  # side at which it sees what textures differ by, their spatial frequencies
FOLDS = 4


def colourfulness(images: np.ndarray) -> np.ndarray:
    """Spread and size of what is not grey, float64 (n,): 0 for grey images, above 80 for very colourful ones.

    Source: Hasler and Süsstrunk, Measuring colourfulness in natural images, SPIE 5007 (2003).
    """
    red, green, blue = np.moveaxis(images.reshape(len(images), -1, 3).astype(np.float64), 2, 0)
    opponent = np.stack([red - green, (red + green) / 2 - blue])
    return np.hypot(*opponent.std(axis=2)) + 0.3 * np.hypot(*opponent.mean(axis=2))


def brightness(images: np.ndarray) -> np.ndarray:
    """Mean grey level of each image, float64 (n,), 0 to 255."""
    return images.mean(axis=(1, 2, 3), dtype=np.float64)


def variation_kept(passed: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Share of an image's variance that is left after it was passed through a coder, float64 (n,), at most 1.

    NaN for an image of one colour, which has none.
    """
    pixels, coded = (one.reshape(len(images), -1, 3).astype(np.float64) for one in (images, passed))
    variance = pixels.var(axis=1).sum(axis=1)
    lost = ((coded - pixels) ** 2).mean(axis=1).sum(axis=1)
    return 1 - lost / np.where(variance > 0, variance, np.nan)


def told_right(images: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Whether a simple classifier of small pictures names the class of each image, cross-validated: bool (n,).

    Logistic regression on 16 px and on spatial frequencies, which tell textures whatever lies where. It is no measure
    of what a network reaches; near chance it says that classes are hard to tell by what few images show. ValueError
    where a class has less than two.
    """
    pixels = imaging.resize(images, SEEN_PX).reshape(len(images), -1).astype(np.float64)
    grey = imaging.resize(images, PATTERN_PX).mean(axis=3)
    frequencies = np.log1p(np.abs(np.fft.rfft2(grey - grey.mean(axis=(1, 2), keepdims=True)))).reshape(len(images), -1)
    if (folds := min(FOLDS, np.unique(labels, return_counts=True)[1].min())) < 2:
        raise ValueError("dataset.images_per_class: must give each class two images for a pilot, got 1")
    shuffle = int(stream(seed, "pilot folds").integers(2**32))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return (
        cross_val_predict(
            model,
            np.hstack([pixels, frequencies]),
            labels,
            cv=StratifiedKFold(folds, shuffle=True, random_state=shuffle),
        )
        == labels
    )
