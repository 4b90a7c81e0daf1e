"""Keep one of the candidates of each slot: criteria are summed as ranks among the candidates of the slot.

Ranks have no scale, so that criteria of different units add up, and a slot's choice depends on no other slot; the one
exception is coverage, which looks at what was chosen before. Slots come in an order of their own, whichever shards
they lie in.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from realgap import streams

COVERAGE = "coverage"


def slots(image_ids: np.ndarray, variants: np.ndarray, candidates: int) -> np.ndarray:
    """Rows of the candidates of each slot, int64 (slots, candidates), by image and variant.

    The variants of a real image are cut into slots of so many, one after another. ValueError unless they come out even.
    """
    order = np.lexsort((variants, image_ids))
    ids, counts = np.unique(image_ids, return_counts=True)
    if odd := [int(one) for one, count in zip(ids, counts, strict=True) if count % candidates]:
        raise ValueError(f"candidates: must divide the images of each real one; got {candidates} for image {odd[0]}")
    return order.reshape(-1, candidates)


def drawn_again(image_ids: np.ndarray, per_image: int, candidates: int, seed: int) -> np.ndarray:
    """Rows of the candidates of each slot, int64 (images * per_image, candidates), where real images are chosen among.

    Slots are those of the images in the order of their ids, per_image for each. The candidates of one are different
    images of the class, drawn at random. ValueError if there are fewer.
    """
    if len(image_ids) < candidates:
        raise ValueError(f"candidates: must be at most the real images of a class, {len(image_ids)}; got {candidates}")
    order = np.argsort(image_ids, kind="stable")
    each = [(image_id, variant) for image_id in image_ids[order].tolist() for variant in range(per_image)]
    drawn = [streams.stream(seed, "drawn again", *one).permutation(len(order))[:candidates] for one in each]
    return order[np.array(drawn, np.int64)]


def occurrences(chosen: np.ndarray) -> np.ndarray:
    """The how-manieth of its value each one is, int32 (n,): 0 for the first."""
    order = np.argsort(chosen, kind="stable")
    first = np.searchsorted(chosen[order], chosen[order])
    found = np.empty(len(chosen), np.int32)
    found[order] = np.arange(len(chosen)) - first
    return found


def choose(
    rows: np.ndarray,
    image_ids: np.ndarray,
    variants: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
    seed: int,
    features: np.ndarray | None = None,
) -> np.ndarray:
    """The row that is kept of each slot, int64 (slots,); rows: as of `slots`.

    scores: criterion -> (n,), more is better. weights: criterion -> its share of the sum of ranks; "coverage" needs
    features (n, d) instead of scores. Ties fall by a random stream of the image and slot. A refused candidate is kept
    where all of its slot are refused.
    """
    first = rows[:, 0]
    order = np.lexsort((variants[first], streams.ranks(seed, "slot", image_ids[first])))
    chosen = np.zeros(len(rows), np.int64)
    nearest = np.full(len(image_ids), np.inf)  # squared distance of each candidate from what is chosen
    for number, slot in enumerate(order):
        own = rows[slot]
        worth = {name: scores[name][own] for name in weights if name != COVERAGE}
        if COVERAGE in weights:
            worth[COVERAGE] = np.sqrt(nearest[own]) if number else np.zeros(len(own))
        refused = np.any([np.isneginf(values) for values in worth.values()], axis=0)
        total = sum(weights[name] * rankdata(values) for name, values in worth.items())
        tie = streams.stream(seed, "choice", image_ids[own[0]], variants[own[0]])
        best = np.lexsort((tie.permutation(len(own)), np.where(refused, -1.0, total)))[-1]
        chosen[slot] = own[best]
        if COVERAGE in weights and features is not None:
            gap = ((features - features[chosen[slot]]).astype(np.float64) ** 2).sum(axis=1)
            nearest = np.minimum(nearest, gap)
    return chosen


def shuffled(scores: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The same scores given to other candidates, the same permutation for all criteria: a control."""
    if not scores:
        return {}
    n = len(next(iter(scores.values())))
    order = streams.stream(seed, "shuffled scores").permutation(n)
    return {name: values[order] for name, values in scores.items()}
