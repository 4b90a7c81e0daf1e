"""Choices of images: so many of each class, and parts of a training set as a training set of their own."""

from collections.abc import Iterable, Sequence

import numpy as np

from realgap.store import naming
from realgap.store.shards import Shard, joint
from realgap.streams import ranks


def equal_rows(
    labels: np.ndarray,
    variants: np.ndarray,
    image_ids: np.ndarray,
    per_class: int,
    seed: int,
    purpose: str = "equal cut",
) -> np.ndarray:
    """Rows of `per_class` images of each class, first variants first, (classes * per_class,) int64, ascending.

    Among images of one variant chance decides, by seed and image id: the order of a file may mean something (the
    writers of digits follow one another). A smaller cut is nested in a larger one; another purpose is another draw.
    ValueError if a class has fewer.
    """
    chosen, order = [], ranks(seed, purpose, image_ids)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < per_class:
            raise ValueError(f"per_class: must be at most {len(rows)}, the images of class {label}, got {per_class}")
        chosen.append(rows[np.lexsort((order[rows], variants[rows]))][:per_class])
    return np.sort(np.concatenate(chosen))


def smallest_class(labels: Iterable[np.ndarray]) -> int:
    """Images of the smallest class in any of the sets, by the labels (n,) of each."""
    return min(int(np.unique(own, return_counts=True)[1].min()) for own in labels)


def first_variants(data: Shard, count: int) -> Shard:
    """The first `count` generated images of each real one; real images stay. Nested in more."""
    return _select(data, data["variants"] < count)


def first_share(data: Shard, fraction: float) -> Shard:
    """The first `fraction` of each class's images, at least one, in the study's shuffled order. Nested in more."""
    chosen = np.zeros(len(data), bool)
    for label in np.unique(data["labels"]):
        rows = np.flatnonzero(data["labels"] == label)
        chosen[rows[: max(1, round(fraction * len(rows)))]] = True
    return _select(data, chosen)


def drawn(real: Sequence[Shard], count: int, draw: int, seed: int) -> np.ndarray:
    """Ids of `count` real images of each class, (classes * count,) int64: one of many draws, by its number.

    Nested: the first 3 of a draw are among its first 10. ValueError if a class has fewer.
    """
    labels, image_ids = (np.concatenate([shard[name] for shard in real]) for name in ("labels", "image_ids"))
    return image_ids[equal_rows(labels, np.zeros_like(labels), image_ids, count, seed, f"draw {draw}")]


def of_images(parts: Sequence[Shard], image_ids: np.ndarray, training_set: str) -> Shard:
    """The images of shards that are, or were made of, the real images of these ids, as a training set.

    parts: source after source; their attribute `source` says which. ValueError if a source has none of them.
    """
    chosen = [np.isin(part["image_ids"], image_ids) for part in parts]
    counts: dict[str, int] = {}
    for part, own in zip(parts, chosen, strict=True):
        source = part.attributes["source"]
        counts[source] = counts.get(source, 0) + int(own.sum())
    if empty := [source for source, count in counts.items() if not count]:
        raise ValueError(f"{training_set}: must have images of the drawn real ones; got none of {empty[0]}")
    arrays = {
        name: np.concatenate([part[name][own] for part, own in zip(parts, chosen, strict=True)])
        for name in parts[0].arrays
    }
    checksum = joint(part.attributes["checksum"] for part in parts)
    about = {"training_set": training_set, "parts": [list(one) for one in counts.items()], "checksum": checksum}
    return Shard(arrays, about | naming.carried(*(part.attributes for part in parts)))


def _select(data: Shard, chosen: np.ndarray) -> Shard:
    """The chosen rows (n,) bool, and how many are left of each source."""
    sources = data.attributes["parts"]
    of_each = np.split(chosen, np.cumsum([count for _, count in sources])[:-1])
    parts = [[source, int(own.sum())] for (source, _), own in zip(sources, of_each, strict=True)]
    arrays = {key: values[chosen] for key, values in data.arrays.items()}
    return Shard(arrays, {**data.attributes, "parts": parts})
