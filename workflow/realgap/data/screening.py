"""Whether images to train on repeat images that must stay unseen: exactly, or nearly.

Two images are near duplicates if, small shifts and mirroring allowed, their colours correlate: what one has more of
than its mean, the other has too. That sees through brightness, contrast, compression and resizing.
Candidates are found among all pairs on 8 by 8 averages, then compared at full resolution.
"""

from dataclasses import dataclass

import numpy as np
import torch

COARSE = 8  # side of the averages that all pairs are compared on
CANDIDATES = 3  # unseen images that are looked at closely for each image, and as many for its mirror image
LIKELY = 0.7  # similarity of averages from which on that is done: a shift of 2 px leaves 0.8 of photographs
SHIFT_PX = 2  # at 32 px, in both directions; in proportion at other sizes
BLOCK = 4096  # images of a product of matrices, for memory


@dataclass(frozen=True)
class Matches:
    """For each of n images the unseen image that is most like it."""

    exact: np.ndarray  # bool (n,), the same pixels as some unseen image
    similarity: np.ndarray  # float32 (n,), correlation of colours, at most 1; below LIKELY that of averages alone
    row: np.ndarray  # int64 (n,), row of the unseen image


def closest(images: np.ndarray, unseen: np.ndarray) -> Matches:
    """For each of `images` uint8 (n, h, w, 3) the closest of `unseen` uint8 (m, h, w, 3).

    ValueError unless all have one size, a multiple of 8 px.
    """
    if images.shape[1:] != unseen.shape[1:] or images.shape[1] % COARSE or images.shape[2] % COARSE:
        raise ValueError(
            f"images: must have the size of those to stay unseen, a multiple of {COARSE} px; "
            f"got {images.shape[1:3]} and {unseen.shape[1:3]}"
        )
    known = {image.tobytes() for image in unseen}
    exact = np.array([image.tobytes() in known for image in images])
    coarse = torch.from_numpy(_unit(_averages(unseen)))
    similarity, row = np.full(len(images), -1, np.float32), np.zeros(len(images), np.int64)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        pairs = [_candidates(_averages(turned), coarse) for turned in (block, block[:, :, ::-1])]
        likeness, candidates = (np.concatenate(each, axis=1) for each in zip(*pairs, strict=True))
        for i, (alike, rows) in enumerate(zip(likeness, candidates, strict=True), start=start):
            best = alike.argmax()
            similarity[i], row[i] = alike[best], rows[best]
            if alike[best] >= LIKELY:
                rows = rows[alike >= LIKELY]
                found = _correlations(images[i], unseen[rows])
                similarity[i], row[i] = found.max(), rows[found.argmax()]
    return Matches(exact, similarity, row)


def _candidates(averages: np.ndarray, coarse: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Similarity and rows of `coarse` (m, d) most like each of `averages` (n, d): (n, at most CANDIDATES) each."""
    count = min(CANDIDATES, len(coarse))
    parts = [torch.topk(part @ coarse.T, count, dim=1) for part in torch.from_numpy(_unit(averages)).split(512)]
    return torch.cat([part.values for part in parts]).numpy(), torch.cat([part.indices for part in parts]).numpy()


def _correlations(image: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Highest correlation of an image with each of k others over shifts and mirroring: float32 (k,)."""
    height, width, _ = image.shape
    shift = max(1, round(SHIFT_PX * width / 32))
    inner = np.stack([turned[shift : height - shift, shift : width - shift] for turned in (image, image[:, ::-1])])
    templates = _unit(inner.reshape(2, -1).astype(np.float32))
    steps = range(2 * shift + 1)
    windows = np.stack(
        [others[:, y : height - 2 * shift + y, x : width - 2 * shift + x] for y in steps for x in steps], axis=1
    )
    flat = _unit(windows.reshape(-1, templates.shape[1]).astype(np.float32))
    return (flat @ templates.T).reshape(len(others), -1).max(axis=1)


def _averages(images: np.ndarray) -> np.ndarray:
    """Means over cells of an 8 by 8 grid: float32 (n, 8 * 8 * 3) of uint8 (n, h, w, 3)."""
    n, height, width, channels = images.shape
    blocks = images.reshape(n, COARSE, height // COARSE, COARSE, width // COARSE, channels)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows minus their mean, of length 1; a row of one value stays 0, so that it is like none."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 1e-3, length, np.inf)
