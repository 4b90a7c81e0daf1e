"""Parts of a training set: nested choices of its rows, as a training set of their own."""

import numpy as np

from realgap.store.shards import Shard


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


def _select(data: Shard, chosen: np.ndarray) -> Shard:
    """The chosen rows (n,) bool, and how many are left of each source."""
    sources = data.attributes["parts"]
    of_each = np.split(chosen, np.cumsum([count for _, count in sources])[:-1])
    parts = [[source, int(own.sum())] for (source, _), own in zip(sources, of_each, strict=True)]
    arrays = {key: values[chosen] for key, values in data.arrays.items()}
    return Shard(arrays, {**data.attributes, "parts": parts})
